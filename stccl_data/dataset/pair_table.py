"""pairs.parquet as the reader keeps it: which pairs are accepted, by utterance and by clip."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stccl_data.dataset.tables import Row, read_table, table_errors
from stccl_data.dataset.utterance import Decision, Decisions
from stccl_data.errors import suggest

if TYPE_CHECKING:
    import pyarrow as pa


class PairTable:
    """The decisions of pairs.parquet in memory, dictionary-encoded and sorted by utterance."""

    def __init__(self, path: Path) -> None:
        """Read the table. Raises TableError."""
        import pyarrow as pa
        import pyarrow.compute as pc

        text = ("utterance", "source", "target", "reason")
        table = read_table(path, (*text, "accepted"), dictionary=text)
        with table_errors(path):
            # as layout.utterance_of does
            utterances = pc.replace_substring_regex(
                table["utterance"].cast(pa.string()), r"\+p\d+$", ""
            )
        encoded = utterances.fill_null("").combine_chunks().dictionary_encode()
        codes = np.asarray(encoded.indices)
        order = np.argsort(codes, kind="stable")
        self._table = table.unify_dictionaries().combine_chunks().take(order)
        present, starts = np.unique(codes[order], return_index=True)
        ends = [*starts[1:], len(order)][: len(starts)]
        names = encoded.dictionary.to_pylist()
        self._rows = {
            names[code]: range(start, end)
            for code, start, end in zip(present, starts.tolist(), ends, strict=True)
        }

    def decisions(self, utterance: str) -> Decisions:
        """Return what was decided about each pair of an utterance."""
        rows = self._rows.get(utterance, range(0))
        return {
            (row["source"], row["target"]): Decision(bool(row["accepted"]), row["reason"])
            for row in self._table.slice(rows.start, len(rows)).to_pylist()
        }

    def find(self, source: str, target: str) -> Row | None:
        """Return the row of the pair of two clip ids, if there is one."""
        rows: list[Row] = self._matching(source=source, target=target).to_pylist()
        return rows[0] if rows else None

    def explain_missing(self, source: str, target: str) -> str:
        """Say why two clips are not a pair of the table."""
        known = {
            str(clip_id)
            for side in ("source", "target")
            for clip_id in self._table[side].unique().to_pylist()
        }
        for clip_id in (source, target):
            if clip_id not in known:
                return f"no pair has the clip {clip_id!r}{suggest(clip_id, known)}"
        if self.find(target, source) is not None:
            return f"the pair is stored in the other direction: source {target}, target {source}"
        partners = self._matching(source=source)["target"].to_pylist()
        partners += self._matching(target=source)["source"].to_pylist()
        return (
            f"{source} and {target} are not a pair, which is one sentence by one speaker"
            f"{suggest(target, partners)}"
        )

    def _matching(self, **values: str) -> "pa.Table":
        import pyarrow.compute as pc

        table = self._table
        for column, value in values.items():
            table = table.filter(pc.equal(table[column], value))
        return table
