"""The 468 points of MediaPipe's face mesh in skimage.data.astronaut(), measured once and stored.

They are stored, not measured at each run, so that the demo's ground truth does not depend on the
landmarker that it is used to test. The test
`test_the_stored_landmarks_match_the_photograph` measures them again.
"""

import base64
import zlib

import numpy as np

#: Pixels per stored unit, for x, y and depth.
_STEP = np.array([0.02, 0.02, 0.5])
#: int16, coordinate by coordinate, compressed by zlib.
_POINTS = (
    "c-n1K32+o;7XEWh0wGMMkLl@aCdo|q^xboDngvY+<X9oB!8I=80#%+17y&PkLrYjL<&fgC6hX4+nhFM15DzpQqR1sA"
    "A)9Cb2@n%-A%vX#`)0~Ls&?yDSNGrj-uJ%ueXswff23FH5&aYWTfIwPAUh4wxZl{V@6jvtb^2<3mHw(e8=lW=XZ(ki"
    "&R{4QmS?I9gQdz&*(bjt<tqc^C;XLxzXTU)f7YH<w<{aeAC=Nzvfiz+(pptj6?LRU>lfwI(&|8wmam?WEBqDeByDx@"
    "XmF-Ps3l6iQV~p%`YPptdjku#SJWz{UM&ww%Eh3hbt{$XMora<wMVs5ZMlZjzbm_xbxK39z+a&+Qi_zdTA?~e+oOyN"
    "b|^=rn7mE)C?2gx{Z?Hme-=2W&XN?ZLcQQ0EUEI&;CISf>R|n_zdlf?FH?v5hiX46jnZCqioaT&u5||pX}F&aob_iZ"
    "59^;ROkia2b}&_`@V}_$1`T<jF;w5Cj8x0jl0cUFkg_A#C9jj8@}HD<>E9?HtFyH<BTep==c{7_Z>sNU1-h;j`770x"
    ">I`*~+O8BRex<J>1s4Q%Ym>Fh>J(*kAVuG(H0T5LD|(VPL7%R-s!g(_lm!RLg~2(}Hg%qQk31|mMBeWoF0Js-m%Z9m"
    "^$~Tf_Nh8U85Jy+_ej&F0)MY`R6ZO0URkRWTE2g>x?Y>D)o8P{C2EgG>Wns5E7$%YS4&HbJ>jLs2eI)s7itc5g|}J9"
    "LMQFAuo>AH*=(gnYGcczWax%*!N{`et#jsE);ar8W1&$P9cMjZJ!h?oEHqvWuZ|?gelmNkcSAo%kD6Yy*{-y4WWLpI"
    "OQFut%;@aUo~S=|-DopEv$mRN?LvEtU1ZL)4w$Em!^S~~{l>e-1Z%Ff#roKK$NoCjWD$0~QDAi$ioH6t!)l0(i5v~P"
    "?3gvrs<SqPpN!sZRY&%lb!L97K2jT=5K`=7Yo8H{{V6Iy9Wmfbv&t%oTs7y#Mp;A5dn0t@aBO_^l~}puFw$);Rv*$r"
    ")9u_?nz_^dIyA?wv7WVhqr6>XzZn`H-WkTRhr{L8S7w)y7QSM8Oe(s{vdp>GYq8hOa`Tv3W75`eyTqPrmxKmK2bfjn"
    "aErGGN3+Z+)>dP$dDWN-sB`U?!jnRBgf#E6nnFixE8G&5BTTGcc$c}{%(VuZFIaVUW*9{_Mb1PTV|kI0;Yi4~pS7-="
    "Z86CTm>tF&Mz_&rPBV&(B<oG{L9;PDJF<d5#O8A~?i-#X%tfk;JWhP!I-2z*-^`~A4~p-Ksotl(Q+<A}h25Hcma3r+"
    "P!Z~LY8kPc*iN((Tc}vhKC**MqJCkD_^<eT_(A-7{ssPdVK>|08AuFqpY;@bo@c&cwz#TXPdL{QBKZ*i82?B1Bld27"
    "0zc4|%AR%^uI8+w>{p$KTw`1-`I&q%zknUZJA}#nEOr(DA^!t!_y&59i*rOvd`Va(>=mvHE4X`^-*6d%LrCVPvOlt~"
    "y3e@RcwXpV>Aao2R9x!X=-ivNj7q0BQZcfYKH*tRucLpVlijuSJ9Gx!hjEZ3m&traPNZM<>?du{Ft&vHnb|D9?agPV"
    "35$qWZip*o`ce;3&rm+$Jx^I)XU;9(K4)9rQ`Do>RO%qHog7Qr<UQmJ5)lUVS8fXTd-gT%6nV+($Vtr`B)X~l+|%+}"
    "avf}wkR=w2d&F0~lld|H0R9Z;XCI@#BWuV~UgXb{g}$Ti4!V(^!OYB^nB&N~By@YC-b&9__880Le#BIXnZE5j!QJ5x"
    "apSo6-6L3wt@dP)vxs5DB%+LHBsb9Q)ChVC{aZRfcT;odLY84(W*gWwY$@BzI=RQG&D6KldU7P$<X%ACVduJh^dLG)"
    "e@@+^ej$>{06C8wN-xPNq)t<xP!D?^=WD@-+5ACJzfm~I-t=4~o^iX`4W1lN4dWt82rc_VqL@6!4;9w3C)t(!CcfS^"
    "g7p!LT#ximc3pNZB1oc)-^{P!-)GnI6NDZ7diDUIcJQNp6TL0sa&ervOE@BQ31P9BQ#~VvQ3A_tWqa7;?)#W(5AQ6@"
    "e#vz~{J?eG*_M?-AE3XX&XGy(RCc_3n0vANaktNXf@bIj=2Mb`UD!;O(uY0csc9Y`x18$l8S5SE6FizYkzAG=<Gx@{"
    "Q-`SUsHwt>?76%dxr=l5QtwdfsHNmZax=M(+()*NbwnApgImUK=SqF^a|Y#gi}z8FxeM}|*?!_Mai!QKR(ap!SMdw@"
    "(R?Gjm~JJLsY?Dlf0JC{>*L<YL~^Ex53p;zBUl&rG&dr*g&F64&Zh_$xiaBx{uFn{J&S#s?eq*J_Yofw=ZOMx3H6+N"
    "1zkmd1-tnm?Wc>~^Vu-7iM<Yg$4<5nm&?6Q?W2C8a;OHf6`#Uaa2-C5PvW1j16{$F;Cv1L1GnKG+=V;gN=DWA0#?u+"
    "d<P?x4);!o9(eADoG1f@5QRFS<_6UC;@cSGY;+o*z)7ebH{q)|6@3qQ9oUVUp~{ISz`YrA`lD{#f?MIa4X2}Pa53mQ"
    "z6D)cAS)BT{{TI@;7tmObLjze2TDV!$N?NCp$j+@vYPQtK#23X2A#TqML*O8Gc?1=g)pGrz&~If^+hRg>IIz3iBmPy"
    "jYS>6w=X)6i%}A)#Tpt65k?YBbOE<x0p4Pqg>sM^$;bv=3OZw$jDUNb4+eGa0^}CRz6`Tm#S#)hml06c1jr&90vHIz"
    "YtsK6*{BtG+`$=ud>#1K;6~th8K#TRM!^)WM4t>$_ZqNepr3?Tz;ZxkJs?*D?{<hTP$&xxfV>pwat9do;NO8JjgV0X"
    "(TZ!qJB;Hhrh;~LI1MI~Q7>eogpP49yCEYJyi7+Hbm~ZWdGl8<oe3{7)W=m#NqBi1)6k<EzTKbj(g_^8@Xz4eRj6|S"
    "X9uDaUiQMf{@_y9e|g#cKVCin8GQli24Hmn?ls8jgg*arG6fXFkRNxFLw!(kLj6uqjD=G*)Qtw#?YIwWgy|7DsiHv;"
    "Ar$!4NiLyIKjZ}`C73d<E`t5&g>F6IL=tG5oY>b^97s4=m~c>lefW=mj>P4F&5Zlk3%limDKnvK+&dEH%SQ2?h<hCO"
    "%?%v_$OBB$624u+XF<DLz^4<(*+d~PIkA;---`aPZ*4GrD*7jDyI0Z"
)


def photograph_landmarks() -> np.ndarray:
    """Return the stored landmarks.

    Returns:
        (468, 3) float64: x, y and depth (negative towards the camera) in pixels of the 512x512
        photograph.
    """
    raw = zlib.decompress(base64.b85decode(_POINTS))
    points: np.ndarray = np.frombuffer(raw, dtype="<i2").reshape(3, -1).T * _STEP
    return points
