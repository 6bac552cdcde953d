"""The ways in which lines of a script can be spoken, as a graph of phoneme classes.

As in CTC, a class may be followed by blanks, which also stand for pauses. The variants of a word
lie side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.recordings.pronunciation import BLANK, Word


@dataclass(frozen=True, slots=True)
class LineGraph:
    """S states of several lines; a state's predecessors come before it."""

    #: (S,) int32, class of each state
    column: NDArray[np.int32]
    #: (S,) int32, line and word of each state; word -1 for blanks between words
    line: NDArray[np.int32]
    word: NDArray[np.int32]
    #: (S,) bool, where a line can begin, where a word ends, where a line ends
    begins: NDArray[np.bool_]
    ends_word: NDArray[np.bool_]
    ends_line: NDArray[np.bool_]
    #: predecessors of state s: ``before[pointer[s]:pointer[s + 1]]``
    before: NDArray[np.int32]
    #: (S + 1,) int32
    pointer: NDArray[np.int32]


def line_graph(lines: Sequence[Sequence[Word]]) -> LineGraph:
    """Build the graph of lines, each a sequence of words."""
    builder = _Builder()
    for number, words in enumerate(lines):
        builder.add_line(number, words)
    return builder.graph()


class _Builder:
    def __init__(self) -> None:
        self.states: list[tuple[int, int, int]] = []  # column, line, word
        self.before: list[list[int]] = []
        self.begins: list[int] = []
        self.ends_word: list[int] = []
        self.ends_line: list[int] = []

    def add_line(self, line: int, words: Sequence[Word]) -> None:
        """Add the states of one line."""
        ends: list[int] = []  # of the word before
        for number, word in enumerate(words):
            between = [self._add(BLANK, line, -1, ends)] if ends else []
            new_ends: list[int] = []
            for pronunciation in word.pronunciations:
                last: int | None = None
                for column in pronunciation:
                    if last is None:
                        sources = between + [e for e in ends if self.states[e][0] != column]
                    else:
                        blank = self._add(BLANK, line, number, [last])
                        sources = [blank] + [last] * (self.states[last][0] != column)
                    state = self._add(column, line, number, sources)
                    if number == 0 and last is None:
                        self.begins.append(state)
                    last = state
                if last is not None:
                    new_ends.append(last)
            ends = new_ends
            self.ends_word += ends
        self.ends_line += ends

    def _add(self, column: int, line: int, word: int, sources: Sequence[int]) -> int:
        self.states.append((column, line, word))
        self.before.append(list(sources))
        return len(self.states) - 1

    def graph(self) -> LineGraph:
        """Return the graph of all lines so far."""
        column, line, word = np.array(self.states, np.int32).reshape(-1, 3).T
        flags = np.zeros((3, len(column)), bool)
        for row, states in enumerate((self.begins, self.ends_word, self.ends_line)):
            flags[row, states] = True
        pointer = np.concatenate([[0], np.cumsum([len(b) for b in self.before])]).astype(np.int32)
        before = np.array([s for sources in self.before for s in sources], np.int32)
        return LineGraph(
            column=np.ascontiguousarray(column),
            line=np.ascontiguousarray(line),
            word=np.ascontiguousarray(word),
            begins=flags[0],
            ends_word=flags[1],
            ends_line=flags[2],
            before=before,
            pointer=pointer,
        )
