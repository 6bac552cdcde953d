"""Remove a speaker from a dataset: the work of `stccl withdraw` and `stccl verify --absent`."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from stccl_data.dataset.index import read_shard_list
from stccl_data.dataset.layout import CLIPS, FINDINGS, PAIRS, PROVENANCE, REPORT
from stccl_data.dataset.reader import open_dataset
from stccl_data.dataset.tables import read_clips, read_table
from stccl_data.errors import StcclError
from stccl_data.pairs.verdicts import VERDICTS, read_verdicts, write_verdicts
from stccl_data.pipeline.clip_artefact import stored_clips
from stccl_data.pipeline.config import config_from_json
from stccl_data.pipeline.pair_artefacts import load_content
from stccl_data.pipeline.prepare import Summary, prepare
from stccl_data.pipeline.state import Store, forget_clips
from stccl_data.pipeline.withdrawn import is_withdrawn, record_withdrawal
from stccl_data.progress import Progress


@dataclass(frozen=True, slots=True)
class Trace:
    """Something that is left of a speaker."""

    #: relative to the dataset
    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


class WithdrawError(StcclError):
    """A speaker cannot be removed."""


def withdraw(out: Path, speaker: str, progress: Progress | None = None) -> Summary:
    """Remove a speaker: from shards, tables and card, and every artefact and record of a run.

    The dataset is written again without the speaker; the splits of the others stay. What was
    extracted and aligned of the others is used again. Every artefact that the dataset does not
    need is deleted, and so are the logs, the report, and verdicts on the speaker's pairs. Later
    runs into OUT leave the speaker out.

    Raises:
        WithdrawError: the dataset cannot be read, lacks the speaker, or has no other; it was made
            from imported pairs; or traces are left.
        StcclError: whatever `prepare` raises, such as a RAW that is not there. The speaker is left
            out of later runs then, but still in the dataset.
    """
    try:
        made = json.loads((out / PROVENANCE).read_bytes())
        speakers = {row["speaker"] for row in read_clips(out, ["speaker"])}
    except (OSError, ValueError, StcclError) as error:
        raise WithdrawError(f"{out} has no finished dataset ({error})") from error
    if speaker not in speakers and not is_withdrawn(out, speaker):  # else finish what was cut off
        known = ", ".join(sorted(speakers)[:8])
        raise WithdrawError(f"{out} has no speaker {speaker!r}; it has {known}")
    if speakers == {speaker}:
        raise WithdrawError(f"{out} has no other speaker: delete the folder")
    if "pairs_from" in made:
        raise WithdrawError(f"{out} was made from imported pairs: import them again without them")
    record_withdrawal(out, speaker)
    config = config_from_json(made["config"])
    named = None if config.speakers is None else tuple(s for s in config.speakers if s != speaker)
    whole = replace(
        config, speakers=named, job=None, retry_failed=(), executor="local", workers=0, memory_mb=0
    )
    summary = prepare(Path(made["raw"]), out, whole, progress, remove_unused=True)
    store = Store(out)
    with store.locked():
        kept = {row["clip_id"] for row in read_clips(out, ["clip_id"])}
        for database in store.databases():
            forget_clips(database, kept)
        verdicts = read_verdicts(out)
        if left := {pair: verdict for pair, verdict in verdicts.items() if kept.issuperset(pair)}:
            write_verdicts(out, left)
        else:
            (out / VERDICTS).unlink(missing_ok=True)
        for folder in ("logs", REPORT):
            shutil.rmtree(out / folder, ignore_errors=True)
    if traces := list(find_speaker(out, speaker)):
        raise WithdrawError(f"traces of {speaker} are left: {'; '.join(map(str, traces[:5]))}")
    return summary


def find_speaker(out: Path, speaker: str) -> Iterator[Trace]:
    """Yield where a speaker is in a dataset and in its work folder.

    Raises:
        StcclError: a part of the dataset cannot be read.
    """
    clips = read_clips(out, ["clip_id", "speaker"])
    others = {row["clip_id"] for row in clips if row["speaker"] != speaker}
    if count := len(clips) - len(others):
        yield Trace(CLIPS, f"{count} clips")
    pairs = read_table(out / PAIRS, required=("speaker",)).column("speaker").to_pylist()
    if count := pairs.count(speaker):
        yield Trace(PAIRS, f"{count} pairs")
    for utterance in open_dataset(out).read(read_shard_list(out)):
        if utterance.speaker == speaker:
            yield Trace("shards", f"{utterance.key}")
    findings = (out / FINDINGS).read_text(encoding="utf-8") if (out / FINDINGS).exists() else ""
    if json.dumps(speaker)[1:-1] in findings and len(speaker) > 3:
        yield Trace(FINDINGS, "names the speaker")
    if unknown := [pair for pair in read_verdicts(out) if not others.issuperset(pair)]:
        yield Trace(VERDICTS, f"{len(unknown)} pairs of other clips")
    pages = (page for page in (out / REPORT).rglob("*") if page.suffix in (".html", ".js"))
    if any(speaker in page.read_text(encoding="utf-8") for page in pages):
        yield Trace(REPORT, "shows the speaker")
    yield from _find_in_work(Store(out), speaker, others)


def _find_in_work(store: Store, speaker: str, others: set[str]) -> Iterator[Trace]:
    for _, clip in stored_clips(store):
        if clip["speaker"] == speaker:
            yield Trace("work/clips", f"{clip['clip_id']}")
    for key in store.existing("content"):
        if unknown := load_content(store.artefact("content", key)).clips.keys() - others:
            yield Trace("work/content", f"{min(unknown)}")
    for clip_id in store.clip_states().keys() - others:
        yield Trace("work/state", f"{clip_id}")
