"""Corpora whose file names say everything: labels, sentences, folders, and recognition."""

import re
from collections import Counter
from pathlib import Path

import pytest

from stccl_data.clip import is_emotion_label
from stccl_data.corpora import CORPORA, LAYOUTS, scan_corpus
from stccl_data.corpora.named import NAMED_CORPORA, named_corpus
from stccl_data.corpora.tables import table
from stccl_data.errors import Reason
from stccl_data.pairs.candidates import candidate_pairs

#: corpus -> a file, and its speaker, emotion, sentence, take and clip id
FILES = {
    "emodb": (
        ("wav/03a01Fa.wav", "03", "happy", "a01", 1, "emodb/03/front/happy-1/a01-t001"),
        ("wav/16b10Lc.wav", "16", "boredom", "b10", 3, "emodb/16/front/boredom-1/b10-t003"),
        ("14a07N.wav", "14", "neutral", "a07", 1, "emodb/14/front/neutral-1/a07-t001"),
    ),
    "esd": (
        *(
            (f"0011/{folder}/0011_{number:06d}.wav", "0011", emotion, f"en-{sentence}", 1,
             f"esd/0011/front/{emotion}-1/en-{sentence}-t001")
            for folder, number, emotion, sentence in (
                ("Neutral", 350, "neutral", "350"),
                ("Angry", 351, "angry", "001"),
                ("Happy", 1050, "happy", "350"),
                ("Sad", 1051, "sad", "001"),
                ("Surprise", 1750, "surprised", "350"),
            )
        ),
        ("0002/Sad/train/0002_001052.wav", "0002", "sad", "zh-002", 1,
         "esd/0002/front/sad-1/zh-002-t001"),
        ("x/surprise/evaluation/0020_001402.wav", "0020", "surprised", "en-002", 1,
         "esd/0020/front/surprised-1/en-002-t001"),
    ),
    "savee": (
        ("AudioData/DC/a01.wav", "DC", "angry", "01", 1, "savee/DC/front/angry-1/01-t001"),
        ("AudioData/KL/su03.wav", "KL", "surprised", "03", 1, "savee/KL/front/surprised-1/03-t001"),
        ("ALL/JE_sa02.wav", "JE", "sad", "02", 1, "savee/JE/front/sad-1/02-t001"),
        ("jk_N30.wav", "JK", "neutral", None, 1, "savee/JK/front/neutral-1/n30-t001"),
        ("AudioData/DC/d04.wav", "DC", "disgusted", None, 1, "savee/DC/front/disgusted-1/n04-t001"),
    ),
    "tess": (
        ("OAF_back_angry.wav", "OAF", "angry", "back", 1, "tess/OAF/front/angry-1/back-t001"),
        ("YAF_pleasant_surprised/YAF_back_ps.wav", "YAF", "surprised", "back", 1,
         "tess/YAF/front/surprised-1/back-t001"),
        ("OAF_Fear/OAF_Dog_fear.wav", "OAF", "fear", "dog", 1, "tess/OAF/front/fear-1/dog-t001"),
        ("OAF_neutral/OA_bite_neutral.wav", "OAF", "neutral", "bite", 1,
         "tess/OAF/front/neutral-1/bite-t001"),
        ("YAF_bar_pleasant_surprise.wav", "YAF", "surprised", "bar", 1,
         "tess/YAF/front/surprised-1/bar-t001"),
    ),
    "emovdb": (
        ("bea/Angry/anger_1-28_0011.wav", "bea", "angry", "0011", 1,
         "emovdb/bea/front/angry-1/0011-t001"),
        ("sam/Sleepy/sleepiness_1-28_0001.wav", "sam", "sleepy", "0001", 1,
         "emovdb/sam/front/sleepy-1/0001-t001"),
        ("josh_Amused/Amused_1-15_0002.wav", "josh", "amused", "0002", 1,
         "emovdb/josh/front/amused-1/0002-t001"),
        ("jenie/disgust_141-168_0161.wav", "jenie", "disgusted", "0161", 1,
         "emovdb/jenie/front/disgusted-1/0161-t001"),
    ),
    "emovo": (
        ("EMOVO/f1/dis-f1-b1.wav", "f1", "disgusted", "b1", 1,
         "emovo/f1/front/disgusted-1/b1-t001"),
        ("tri-m3-n5.wav", "m3", "sad", "n5", 1, "emovo/m3/front/sad-1/n5-t001"),
        ("gio-f2-l4.wav", "f2", "happy", "l4", 1, "emovo/f2/front/happy-1/l4-t001"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("corpus", FILES)
def test_a_corpus_is_recognised_and_its_labels_are_read(grow, corpus):
    scan = scan_corpus(grow(file for file, *_ in FILES[corpus]))
    assert (scan.corpus, scan.findings) == (corpus, ())
    labels = {
        Path(clip.path).relative_to(scan.root).as_posix(): (
            clip.speaker, clip.emotion, clip.sentence, clip.take, clip.clip_id
        )
        for clip in scan.clips
    }  # fmt: skip
    assert labels == {file: tuple(expected) for file, *expected in FILES[corpus]}
    assert scan == scan_corpus(scan.root, corpus)


@pytest.mark.parametrize("corpus", FILES)
def test_a_folder_inside_the_corpus_can_be_scanned(grow, corpus):
    file = Path(next(file for file, *_ in FILES[corpus] if "/" in file))
    raw = grow([f"{corpus}/{file}"])
    scan = scan_corpus(raw / corpus / file.parent)
    if corpus in ("esd", "emovdb"):  # the name alone lacks the emotion's folder or the speaker
        assert scan.corpus in ("unknown", corpus)
        scan = scan_corpus(raw / corpus / file.parts[0])
    assert (scan.corpus, len(scan.clips)) == (corpus, 1)


def test_no_two_corpora_claim_one_file(grow):
    for corpus, files in FILES.items():
        scan = scan_corpus(grow(f"{corpus}/{file}" for file, *_ in files) / corpus)
        assert scan.corpus == corpus
    everything = scan_corpus(grow([]))
    counts = {key: len(scan_corpus(everything.root, key).clips) for key in CORPORA if key != "own"}
    assert counts == {
        **dict.fromkeys(("mead", "ravdess", "cremad"), 0),
        **{corpus: len(files) for corpus, files in FILES.items()},
    }


@pytest.mark.parametrize(
    "names",
    [
        ["0001_000001.wav", "0001_000002.wav"],
        ["0001/0001_000001.wav", "1234/Angry/1234_000351.wav"],
        ["rec_01.wav", "a01.wav", "x/d05.wav", "n12.wav"],
        ["JK/a01.wav", *(f"JK/take {n}.wav" for n in range(3))],
        ["99a01Fa.wav", "03c01Fa.wav", "03a01Xa.wav", "03a01.wav"],
        ["anger_1-28_0011.wav", "tom/Angry/anger_1-28_0011.wav"],
        ["OAF_angry.wav", "XAF_back_angry.wav", "dis-x1-b1.wav", "dis-f1.wav"],
    ],
)
def test_other_recordings_are_not_claimed(grow, names):
    scan = scan_corpus(grow(names))
    assert (scan.corpus, scan.clips) == ("unknown", ())
    assert sum(finding.files for finding in scan.findings) == len(names)


@pytest.mark.parametrize(
    ("corpus", "name", "reason", "value"),
    [
        ("emodb", "07a01Fa.wav", Reason.UNKNOWN_CODE, "speaker 07"),
        ("emodb", "03a03Fa.wav", Reason.UNKNOWN_CODE, "sentence a03"),
        ("emodb", "03a01Xa.wav", Reason.UNKNOWN_CODE, "emotion X"),
        ("emodb", "03a01Fa.lablaut", Reason.NOT_MEDIA, "'.lablaut'"),
        ("emodb", "hello.wav", Reason.UNKNOWN_NAME, "an EMO-DB clip"),
        ("esd", "0011/Angry/0011_000350.wav", Reason.LABEL_CONFLICT, "neutral"),
        ("esd", "0012/Angry/0011_000351.wav", Reason.LABEL_CONFLICT, "0012"),
        ("esd", "0011/Angry/0011_001751.wav", Reason.UNKNOWN_CODE, "1751"),
        ("esd", "0011/Angry/0011_000000.wav", Reason.UNKNOWN_CODE, "number 0"),
        ("esd", "0021/Angry/0021_000351.wav", Reason.UNKNOWN_CODE, "speaker 0021"),
        ("esd", "0011/0011_000351.wav", Reason.UNKNOWN_NAME, "0011/Angry/0011_000351.wav"),
        ("esd", "0011/Angry/0011_000350.txt", Reason.NOT_MEDIA, "'.txt'"),
        ("savee", "DC/JE_a01.wav", Reason.LABEL_CONFLICT, "JE"),
        ("savee", "x/a01.wav", Reason.UNKNOWN_NAME, "DC_a01.wav"),
        ("tess", "OAF_angry/YAF_back_angry.wav", Reason.LABEL_CONFLICT, "YAF"),
        ("tess", "OAF_angry/OAF_back_sad.wav", Reason.LABEL_CONFLICT, "sad"),
        ("emovdb", "bea/Amused/anger_1-28_0011.wav", Reason.LABEL_CONFLICT, "anger"),
        ("emovdb", "x/amused_1-15_0001.wav", Reason.UNKNOWN_NAME, "bea/Angry"),
        ("emovo", "f2/dis-f1-b1.wav", Reason.LABEL_CONFLICT, "f2"),
    ],
)
def test_an_unusable_file_is_a_finding_that_names_it(grow, corpus, name, reason, value):
    good = FILES[corpus][0][0]
    scan = scan_corpus(grow([name, good]), corpus)
    assert [Path(clip.path).name for clip in scan.clips] == [Path(good).name]
    (finding,) = scan.findings
    assert finding.reason == reason
    assert finding.path == str(scan.root / name)
    assert name in finding.detail
    assert value in finding.detail


def test_a_second_copy_is_a_duplicate(grow):
    names = ["a/OAF_angry/OAF_back_angry.wav", "OAF_angry/OAF_back_angry.wav"]
    scan = scan_corpus(grow(names))
    assert [clip.path for clip in scan.clips] == [str(scan.root / names[1])]
    assert [finding.reason for finding in scan.findings] == [Reason.DUPLICATE_CLIP]


def test_a_video_gets_the_sound_of_its_recording(grow):
    scan = scan_corpus(grow(["AudioVisualClip/DC/a01.avi", "AudioData/DC/a01.wav"]))
    (clip,) = scan.clips
    assert (Path(clip.path).suffix, Path(clip.audio_path or "").suffix) == (".avi", ".wav")


def test_sentences_pair_only_where_they_are_known_to_be_the_same(grow):
    savee = scan_corpus(grow([f"DC_{code}{n:02d}.wav" for code in ("n", "a") for n in (1, 3, 4)]))
    candidates = candidate_pairs(savee.clips)
    assert [(source.sentence, target.sentence) for source, target in candidates.pairs] == [
        ("01", "01"),
        ("03", "03"),
    ]
    assert Counter(reason for _, reason in candidates.unpaired) == {Reason.SENTENCE_UNKNOWN: 2}


def test_esd_pairs_the_same_sentence_in_five_emotions(grow):
    folders = ("Neutral", "Angry", "Happy", "Sad", "Surprise")
    scan = scan_corpus(
        grow(f"0011/{f}/0011_{350 * i + n:06d}.wav" for i, f in enumerate(folders) for n in (1, 2))
    )
    pairs = candidate_pairs(scan.clips, "any").pairs
    assert len(pairs) == 2 * 10
    assert all(source.sentence == target.sentence for source, target in pairs)


@pytest.mark.parametrize("corpus", NAMED_CORPORA)
def test_the_facts_of_a_corpus_are_complete(corpus):
    facts, known = table(corpus), named_corpus(corpus)
    assert facts["about"]
    assert facts["source"]
    assert set(facts["licence"]) == {"tag", "name", "terms"}
    assert all(is_emotion_label(emotion) for emotion in known.emotions.values())
    assert {"speaker", "emotion", "sentence"} <= {
        *known.stem.groupindex, *known.folders, *(("sentence",) if known.numbering else ())
    }  # fmt: skip
    assert LAYOUTS[corpus] == known.example
    for example in re.split(" or ", known.example):
        assert named_corpus(corpus).stem.fullmatch(Path(example).stem)
