"""What lies in a raw corpus: one adapter a corpus, one question `scan_corpus`. Media are never opened and nothing is written."""

import os
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from stccl_data.clip import EMOTIONS, Clip, parse_emotion
from stccl_data.corpora import cremad, mead, ravdess
from stccl_data.corpora import manifest as own
from stccl_data.corpora.scan import Finding, Scan, ScanError
from stccl_data.corpora.tables import mead_numbering, table
from stccl_data.corpora.transcripts import read_transcripts
from stccl_data.corpora.tree import Tree, walk, whole_folders
from stccl_data.errors import Reason

__all__ = ["CORPORA", "LAYOUTS", "Finding", "Scan", "ScanError", "scan_corpus"]

CORPORA = ("mead", "ravdess", "cremad", "own")
LAYOUTS = {
    "mead": "ACTOR/video/VIEW/EMOTION/level_N/NNN.mp4",
    "ravdess": "Actor_NN/01-01-03-02-01-01-NN.mp4",
    "cremad": "1001_IEO_ANG_HI.flv",
    "own": "manifest.csv, .tsv, .jsonl or .parquet with the columns path, speaker, emotion, sentence",
}


def scan_corpus(
    raw: Path,
    corpus: str = "auto",
    *,
    views: Sequence[str] | None = None,
    speakers: Collection[str] | None = None,
    emotions: Collection[str] | None = None,
    transcripts: Path | None = None,
) -> Scan:
    """List the clips of the raw corpus `raw`, a folder, or a manifest of one's own.

    corpus: auto, mead, ravdess, cremad or own. views: the cameras wanted, or `("all",)`; None or nothing is MEAD's front
    camera, and all views of another corpus. speakers, emotions: only these; None is all. transcripts: a list
    `ACTOR_level_N_EMOTION_NNN TEXT` that says MEAD's sentences instead of the numbering table.

    Raises ScanError where the question cannot be answered; what is wrong with single files are findings. A folder in which
    no corpus is recognised gives a scan of corpus `unknown` without clips.
    """
    raw = Path(os.path.abspath(raw))  # noqa: PTH100 - resolve() would replace the names of links by others
    if not os.path.exists(raw):  # noqa: PTH110 - Path.exists() raises where a folder above may not be entered
        raise ScanError(f"{raw} does not exist, or a folder above it cannot be entered")
    if corpus not in ("auto", *CORPORA):
        raise ScanError(f"corpus '{corpus}' is none of auto, {', '.join(CORPORA)}")
    wanted_emotions = _emotions(emotions) if emotions else None

    manifest = own.manifest_in(raw) if corpus in ("auto", "own") else None
    tree = None
    if manifest is not None:
        corpus = "own"
    elif corpus == "own":
        raise ScanError(f"{raw} holds no {LAYOUTS['own']}")
    elif not raw.is_dir():
        raise ScanError(f"{raw} is not a folder")
    else:
        tree = walk(raw)
        corpus = _recognised(tree) if corpus == "auto" else corpus
    if transcripts is not None and corpus not in ("mead", "unknown"):
        raise ScanError(
            f"transcripts are for MEAD; {raw} is {corpus}, which says its sentences itself"
        )

    if manifest is not None:
        clips, findings = own.read(manifest)
    else:
        assert tree is not None
        clips, findings = _read(tree, corpus, transcripts)
        findings = [*tree.findings, *findings]
    clips, left_out = _selected(raw, clips, _views(corpus, views, clips), speakers, wanted_emotions)
    clips.sort(key=lambda clip: clip.clip_id)
    findings = sorted(findings + left_out, key=lambda finding: (finding.reason, finding.path))
    return Scan(corpus, raw, tuple(clips), tuple(findings))


def _recognised(tree: Tree) -> str:
    """The corpus that explains the most files of the tree, or `unknown`."""
    found = {
        "mead": mead.resemblance(tree),
        "ravdess": ravdess.resemblance(tree),
        "cremad": cremad.resemblance(tree),
    }
    best = max(found, key=lambda name: found[name])
    return best if found[best] else "unknown"


def _read(tree: Tree, corpus: str, transcripts: Path | None) -> tuple[list[Clip], list[Finding]]:
    if corpus == "ravdess":
        return ravdess.read(tree)
    if corpus == "cremad":
        return cremad.read(tree)
    if corpus == "unknown":
        return [], _unknown(tree)
    numbering = mead_numbering()
    if transcripts is None:
        return mead.read(tree, numbering, {})
    listed = read_transcripts(transcripts, numbering)
    clips, findings = mead.read(tree, {**numbering, **listed.sentences}, listed.texts)
    return clips, findings + listed.findings


def _unknown(tree: Tree) -> list[Finding]:
    findings = []
    for path, shown, files in whole_folders(tree, tree.media()):
        many = (
            f"the {len(files)} media files of {shown} are"
            if len(files) > 1
            else f"{files[0].shown} is"
        )
        findings.append(
            Finding(
                path,
                Reason.UNKNOWN_NAME,
                f"{many} not named as in a corpus that stccl knows",
                files=len(files),
            )
        )
    return findings


def _emotions(words: Collection[str]) -> set[str]:
    known = {word: parse_emotion(word) for word in words}
    if unknown := [word for word, emotion in known.items() if emotion is None]:
        raise ScanError(
            f"emotion {', '.join(unknown)} is not known; the words are {', '.join(EMOTIONS)}"
        )
    return {emotion for emotion in known.values() if emotion is not None}


def _views(corpus: str, views: Sequence[str] | None, clips: list[Clip]) -> set[str] | None:
    """The views wanted; None is all."""
    if not views:
        return set(mead.DEFAULT_VIEWS) if corpus == "mead" else None
    if "all" in views:
        return None
    known = set(table("mead")["views"]) if corpus == "mead" else {clip.view for clip in clips}
    if clips and (unknown := [view for view in views if view not in known]):
        raise ScanError(
            f"there is no view {', '.join(unknown)}; the views are {', '.join(sorted(known))}"
        )
    return set(views)


def _selected(
    raw: Path,
    clips: list[Clip],
    views: set[str] | None,
    speakers: Collection[str] | None,
    emotions: set[str] | None,
) -> tuple[list[Clip], list[Finding]]:
    """The clips wanted, and for each option one finding that counts what it left out."""
    if speakers and clips:
        there = {clip.speaker for clip in clips}
        if absent := sorted(set(speakers) - there):
            raise ScanError(
                f"there is no speaker {', '.join(absent)}; the speakers are {', '.join(sorted(there))}"
            )
    findings = []
    for option, label, wanted in (
        ("--views", "view", views),
        ("--speakers", "speaker", speakers),
        ("--emotions", "emotion", emotions),
    ):
        if not wanted:
            continue
        out = Counter(getattr(clip, label) for clip in clips if getattr(clip, label) not in wanted)
        if out:
            clips = [clip for clip in clips if getattr(clip, label) in wanted]
            which = ", ".join(f"{value} {count}" for value, count in sorted(out.items()))
            detail = f"{out.total()} clips were left out by {option}: {which}"
            findings.append(Finding(str(raw), Reason.NOT_SELECTED, detail, files=out.total()))
    return clips, findings
