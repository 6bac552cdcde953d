"""Recognise a raw corpus and list its clips. Nothing is written.

No recording is opened, but for those of which rows of a manifest contradict each other.
"""

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, get_args

from stccl_data.corpora import manifest, mead, ravdess
from stccl_data.corpora.checks import find_unknown
from stccl_data.corpora.named import NAMED_CORPORA, named_corpus
from stccl_data.corpora.records import Listing, Scan, ScanError
from stccl_data.corpora.selection import make_selection
from stccl_data.corpora.tables import mead_numbering
from stccl_data.corpora.transcripts import read_transcripts
from stccl_data.corpora.tree import Tree
from stccl_data.corpora.unavailable import leave_out_stubs
from stccl_data.corpora.walk import walk

Corpus = Literal[
    "mead", "ravdess", "cremad", "emodb", "esd", "savee", "tess", "emovdb", "emovo", "own"
]
CORPORA: tuple[Corpus, ...] = get_args(Corpus)
#: What each corpus looks like on disk, for messages.
LAYOUTS = {
    "mead": "ACTOR/video/VIEW/EMOTION/level_N/NNN.mp4",
    "ravdess": "Actor_NN/01-01-03-02-01-01-NN.mp4",
    **{key: named_corpus(key).example for key in NAMED_CORPORA},
    "own": "manifest.csv, .tsv, .jsonl or .parquet "
    "with the columns path, speaker, emotion, sentence",
}


def scan_corpus(
    raw: Path,
    corpus: str = "auto",
    *,
    views: Sequence[str] | None = None,
    speakers: Collection[str] | None = None,
    emotions: Collection[str] | None = None,
    transcripts: Path | None = None,
    accept_proposed: bool = False,
) -> Scan:
    """List the clips of a raw corpus.

    Args:
        raw: the folder of the corpus, or a manifest.
        corpus: one of `CORPORA`, or `auto` to recognise it.
        views: cameras to use, or `("all",)`. By default MEAD's front camera, and all views of
            any other corpus.
        speakers: use only these speakers; None or empty for all.
        emotions: use only these emotions; None or empty for all.
        transcripts: a list with lines `ACTOR_level_N_EMOTION_NNN TEXT` that defines MEAD's
            sentences in place of the numbering table.
        accept_proposed: use the rows of a manifest whose sentence `stccl label` proposed, too.

    Returns:
        The clips whose content is here, and a finding for each file that cannot be used. A folder
        in which no corpus is recognised gives a scan of the corpus `unknown`, without clips.

    Raises:
        ScanError: RAW is missing, an option is invalid, or a manifest or transcript list cannot
            be read.
    """
    raw = Path(os.path.abspath(raw))  # noqa: PTH100 - resolve() would rename linked folders
    if not os.path.exists(raw):  # noqa: PTH110 - Path.exists() raises in a locked folder
        raise ScanError(f"{raw} does not exist, or a folder above it cannot be entered")
    if corpus not in ("auto", *CORPORA):
        raise ScanError(f"unknown corpus '{corpus}'; choose one of auto, {', '.join(CORPORA)}")
    selection = make_selection(views, speakers, emotions)
    corpus, listing, tree = _list_clips(raw, corpus, transcripts, accept_proposed)
    selected = selection.apply(raw, corpus, listing.clips)
    found = Listing(selected.clips, listing.findings + selected.findings)
    if tree is not None:
        found = leave_out_stubs(tree, found)
    return Scan(
        corpus,
        raw,
        tuple(sorted(found.clips, key=lambda clip: clip.clip_id)),
        tuple(sorted(found.findings, key=lambda finding: (finding.reason, finding.path))),
        listing.without_consent,
    )


def _list_clips(
    raw: Path, corpus: str, transcripts: Path | None, accept_proposed: bool
) -> tuple[str, Listing, Tree | None]:
    """Return the name of the corpus, its clips before selection, and its tree if it is a folder."""
    table = manifest.find_manifest(raw) if corpus in ("auto", "own") else None
    tree = None
    if table is not None:
        corpus = "own"
    elif corpus == "own":
        raise ScanError(f"{raw} contains no {LAYOUTS['own']}")
    elif not raw.is_dir():
        raise ScanError(f"{raw} is not a folder")
    else:
        tree = walk(raw)
        corpus = _recognise(tree) if corpus == "auto" else corpus
    if transcripts is not None and corpus not in ("mead", "unknown"):
        raise ScanError(
            f"transcripts are for MEAD; {raw} is {corpus}, whose names define its sentences"
        )
    if table is not None:
        return corpus, manifest.read(table, accept_proposed), None
    assert tree is not None
    listing = _read(tree, corpus, transcripts)
    return corpus, Listing(listing.clips, [*tree.findings, *listing.findings]), tree


def _recognise(tree: Tree) -> str:
    """Return the corpus whose names explain the most files, or `unknown`."""
    matches = {
        "mead": mead.count_matches(tree),
        "ravdess": ravdess.count_matches(tree),
        **{key: named_corpus(key).count_matches(tree) for key in NAMED_CORPORA},
    }
    best = max(matches, key=lambda name: matches[name])
    return best if matches[best] else "unknown"


def _read(tree: Tree, corpus: str, transcripts: Path | None) -> Listing:
    if corpus == "ravdess":
        return ravdess.read(tree)
    if corpus in NAMED_CORPORA:
        return named_corpus(corpus).read(tree)
    if corpus == "unknown":
        return Listing([], find_unknown(tree))
    numbering = mead_numbering()
    if transcripts is None:
        return mead.read(tree, numbering, {})
    spoken = read_transcripts(transcripts, numbering)
    listing = mead.read(tree, {**numbering, **spoken.sentences}, spoken.texts)
    return Listing(listing.clips, listing.findings + spoken.findings)
