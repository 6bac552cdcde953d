"""Measure `stccl label` on a corpus whose sentences are known.

    python benchmarks/label.py FOLDER [--draws 20]

FOLDER is a corpus that `stccl scan` reads, with right labels. The clips of each speaker are grouped
as if none had a label; then parts of them: one to four clips of each sentence, one clip of each
sentence, all clips of one sentence with one of each other.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from stccl_data.clip import Clip
from stccl_data.corpora import scan_corpus
from stccl_data.pairs.comparison import Spelling
from stccl_data.recordings.label import group_clips, read_spelling

Draw = Callable[[dict[str, list[int]], np.random.Generator], list[int]]


def few(sentences: dict[str, list[int]], random: np.random.Generator) -> list[int]:
    return [i for clips in sentences.values() for i in clips[: random.integers(1, 5)]]


def one_of_each(sentences: dict[str, list[int]], random: np.random.Generator) -> list[int]:
    return [clips[0] for clips in sentences.values()]


def one_sentence_and_others(
    sentences: dict[str, list[int]], random: np.random.Generator
) -> list[int]:
    largest, *others = random.permutation(sorted(sentences)).tolist()
    return sentences[largest] + [sentences[name][0] for name in others]


def count(spellings: dict[int, Spelling], clips: Sequence[Clip]) -> Counter[str]:
    """Group clips, and count how many are in a group of one sentence."""
    proposals = group_clips(spellings, dict.fromkeys(spellings), "x")
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for row, proposal in proposals.items():
        groups[proposal.sentence].append(row)
    counts: Counter[str] = Counter(clips=len(spellings))
    for rows in groups.values():
        if len({clips[row].sentence for row in rows}) == 1:
            counts["alone" if len(rows) == 1 else "pure"] += len(rows)
    for a, b in combinations(spellings, 2):
        if clips[a].sentence == clips[b].sentence:
            counts["pairs"] += 1
            counts["joined"] += proposals[a].sentence == proposals[b].sentence
    return counts


def described(counts: Counter[str]) -> str:
    pure, alone = (100 * counts[key] / counts["clips"] for key in ("pure", "alone"))
    joined = 100 * counts["joined"] / max(1, counts["pairs"])
    return (
        f"{counts['clips']} clips, in a pure group {pure:.1f} %, alone {alone:.1f} %; "
        f"of pairs of one sentence joined {joined:.1f} %"
    )


def parts(
    draw: Draw, draws: int, speakers: dict[str, dict[int, Spelling]], clips: Sequence[Clip]
) -> Iterator[Counter[str]]:
    for seed in range(draws):
        random = np.random.default_rng(seed)
        for spellings in speakers.values():
            sentences: defaultdict[str, list[int]] = defaultdict(list)
            for row in random.permutation(list(spellings)).tolist():
                sentences[str(clips[row].sentence)].append(row)
            yield count({row: spellings[row] for row in draw(sentences, random)}, clips)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    clips = [clip for clip in scan_corpus(options.folder).clips if clip.sentence is not None]
    speakers: defaultdict[str, dict[int, Spelling]] = defaultdict(dict)
    for row, clip in enumerate(clips):
        speakers[clip.speaker][row] = read_spelling(clip)
    total: Counter[str] = Counter()
    for speaker, spellings in speakers.items():
        counts = count(spellings, clips)
        total.update(counts)
        print(f"{speaker}: {described(counts)}")
    print(f"all: {described(total)}")
    for draw in (few, one_of_each, one_sentence_and_others):
        total = Counter()
        for counts in parts(draw, options.draws, speakers, clips):
            total.update(counts)
        print(f"{draw.__name__}: {described(total)}")


if __name__ == "__main__":
    main()
