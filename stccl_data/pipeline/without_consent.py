"""Delete what earlier runs made of speakers without a valid consent."""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from stccl_data.corpora.consent import LEDGER
from stccl_data.dataset.layout import CLIPS, REPORT
from stccl_data.dataset.tables import read_clips
from stccl_data.pairs.verdicts import VERDICTS
from stccl_data.pipeline.clip_artefact import stored_clips
from stccl_data.pipeline.state import Store, forget_clips
from stccl_data.words import counted


@dataclass(frozen=True, slots=True)
class FormerClips:
    """Clips that earlier runs made of speakers who have no valid consent now."""

    #: clip id -> speaker
    speakers: dict[str, str]

    def remove_artefacts(self, store: Store) -> None:
        """Delete the clips: crops, landmarks and sound."""
        names = set(self.speakers.values())
        for key, clip in stored_clips(store) if names else ():
            if clip["speaker"] in names:
                store.remove("clips", key)

    def forget(self, store: Store) -> None:
        """Delete what was made of the clips together with others, and the records of them.

        After a run, which has made anew what it needs. The records come last, so that the next run
        does all this if it is interrupted.
        """
        store.remove_unused(("pairs", "content"))
        kept = store.clip_states().keys() - self.speakers
        for database in store.databases():
            forget_clips(database, kept)

    def note(self, out: Path) -> str:
        """Return what was deleted, and what is left to delete by hand."""
        counts = Counter(self.speakers.values())
        who = ", ".join(
            f"{name} ({counted(count, 'clip')})" for name, count in sorted(counts.items())
        )
        note = (
            f"{who} had been prepared before, and {LEDGER} has no valid consent now: removed from "
            f"the dataset and from {out / 'work'}; the others' splits are assigned anew"
        )
        left = [out / name for name in (REPORT, "logs") if (out / name).is_dir()]
        if (out / VERDICTS).exists():
            left.append(Path(f"the lines about them in {out / VERDICTS}"))
        if left:
            note += f"; delete what may still show them: {', '.join(map(str, left))}"
        return note


def former_clips(store: Store, out: Path, without_consent: Collection[str]) -> FormerClips:
    """Find the clips that earlier runs recorded of speakers without a valid consent."""
    if not without_consent:
        return FormerClips({})
    speakers = {}
    if (out / CLIPS).exists():
        speakers = {
            row["clip_id"]: row["speaker"] for row in read_clips(out, ["clip_id", "speaker"])
        }
    recorded = store.clip_states() if store.work.exists() else {}
    for clip_id, state in recorded.items():
        if state.header:
            speakers[clip_id] = json.loads(state.header)["clip"]["speaker"]
    return FormerClips({i: name for i, name in speakers.items() if name in without_consent})
