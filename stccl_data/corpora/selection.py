"""Keep the clips of the views, speakers and emotions that the options name."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from stccl_data.clip import EMOTIONS, Clip, emotion_label, emotion_order
from stccl_data.corpora import mead
from stccl_data.corpora.labels import normalised_label
from stccl_data.corpora.records import Finding, Listing, ScanError
from stccl_data.corpora.tables import table
from stccl_data.errors import Reason


@dataclass(frozen=True, slots=True)
class Selection:
    """The requested views, speakers and emotions. An empty set stands for all."""

    #: `all` selects every view; an empty set selects the default of the corpus
    views: frozenset[str]
    speakers: frozenset[str]
    emotions: frozenset[str]

    def apply(self, raw: Path, corpus: str, clips: list[Clip]) -> Listing:
        """Select clips; one finding for each option counts the clips it excludes.

        Raises:
            ScanError: no clip has a requested speaker, view, or emotion outside `EMOTIONS`.
        """
        views = self._views(corpus, clips)
        if self.speakers and clips:
            existing = {clip.speaker for clip in clips}
            if missing := sorted(self.speakers - existing):
                raise ScanError(
                    f"no speaker {', '.join(missing)}; "
                    f"the speakers are {', '.join(sorted(existing))}"
                )
        existing_emotions = {clip.emotion for clip in clips}
        if clips and (unknown := sorted(self.emotions - existing_emotions - set(EMOTIONS))):
            raise ScanError(
                f"no clip has the emotion {', '.join(unknown)}; "
                f"the emotions are {', '.join(sorted(existing_emotions, key=emotion_order))}"
            )
        findings = []
        for label, values in (
            ("view", views),
            ("speaker", self.speakers),
            ("emotion", self.emotions),
        ):
            if not values:
                continue
            excluded = Counter(
                getattr(clip, label) for clip in clips if getattr(clip, label) not in values
            )
            if excluded:
                clips = [clip for clip in clips if getattr(clip, label) in values]
                counts = ", ".join(f"{value} {count}" for value, count in sorted(excluded.items()))
                total = excluded.total()
                detail = f"{total} clips are excluded by --{label}s: {counts}"
                findings.append(Finding(str(raw), Reason.NOT_SELECTED, detail, files=total))
        return Listing(clips, findings)

    def _views(self, corpus: str, clips: list[Clip]) -> frozenset[str]:
        """Resolve the views for a corpus; an empty set stands for all."""
        if not self.views:
            return frozenset(mead.DEFAULT_VIEWS if corpus == "mead" else ())
        if "all" in self.views:
            return frozenset()
        known = set(table("mead")["views"]) if corpus == "mead" else {clip.view for clip in clips}
        if clips and (unknown := sorted(self.views - known)):
            raise ScanError(
                f"no view {', '.join(unknown)}; the views are {', '.join(sorted(known))}"
            )
        return self.views


def make_selection(
    views: Sequence[str] | None,
    speakers: Collection[str] | None,
    emotions: Collection[str] | None,
) -> Selection:
    """Build a selection; see `scan_corpus`.

    Raises:
        ScanError: a word cannot be the label of an emotion.
    """
    try:
        labels = frozenset(emotion_label(word) for word in emotions or ())
    except ValueError as error:
        raise ScanError(str(error)) from error
    return Selection(
        frozenset(map(normalised_label, views or ())),
        frozenset(map(normalised_label, speakers or ())),
        labels,
    )
