"""Evaluations with made-up figures."""

import numpy as np

from stccl_train.eval.conditions import condition_names
from stccl_train.eval.counting import BINS
from stccl_train.eval.statistics import (
    ALL_REGIONS,
    MEASURES,
    STAGES,
    VIEWS,
    Evaluation,
    PairKey,
)
from stccl_train.model.token_kinds import SCC_VD

CONDITIONS = condition_names((0.4,))

#: Tokens counted in each cell, and their chance.
_TOKENS, _CHANCE = 10, 0.02


def evaluation_with(
    recalls: dict[tuple[str, str], list[float]],
    pairs: int,
    speakers: int = 1,
    sentences: int = 3,
) -> Evaluation:
    """Make up an evaluation of SCC-VD in two layers.

    Args:
        recalls: R@1 of each pair by (stage, condition), the same in every region and layer.
        pairs: number of pairs.
        speakers: number of speakers, who take turns.
        sentences: number of sentences of each speaker, which take turns.
    """
    shape = (
        pairs,
        len(STAGES),
        len(CONDITIONS),
        len(VIEWS),
        1,
        2,
        len(ALL_REGIONS),
        1 + len(MEASURES),
    )
    sums = np.zeros(shape)
    sums[..., 0] = _TOKENS
    sums[..., 1 + MEASURES.index("chance")] = _TOKENS * _CHANCE
    for (stage, condition), values in recalls.items():
        cells = sums[:, STAGES.index(stage), CONDITIONS.index(condition)]
        recall = _TOKENS * np.array(values)[:, None, None, None, None]
        cells[..., 1 + MEASURES.index("recall")] = recall
    return Evaluation(
        seen=(),
        seen_sentences=(),
        kinds=(SCC_VD,),
        conditions=CONDITIONS,
        layers=2,
        pairs=tuple(
            PairKey(
                f"s{i}",
                f"t{i}",
                f"speaker{i % speakers}",
                "happy",
                f"speaker{i % speakers}/sentence{i // speakers % sentences}",
            )
            for i in range(pairs)
        ),
        windows=pairs,
        sums=sums,
        untrained_draws=_untrained_draws(recalls),
        histograms={"scc_vd": {"matched": np.ones(len(BINS) - 1, np.int64)}},
        bins=BINS,
    )


def _untrained_draws(recalls: dict[tuple[str, str], list[float]]) -> np.ndarray:
    """Three untrained metrics with the same gap."""
    means = [np.mean(recalls.get(("untrained", c), [0])) for c in ("aligned", "shifted_0.4")]
    values = np.array([[_TOKENS, _TOKENS * mean] for mean in means])
    return np.broadcast_to(values, (3, 1, 2, 2, 2))


def evaluation_with_gap(
    gap: float,
    untrained: float,
    bare: float = 0.15,
    noise: float = 0.02,
    other: float = 0.2,
    same_time: float = 0.25,
    pairs: int = 12,
    speakers: int = 1,
    sentences: int = 3,
) -> Evaluation:
    """Make up an evaluation by how much R@1 aligned exceeds R@1 shifted by 10 frames.

    Args:
        gap: of the trained metric.
        untrained: the gap of the untrained metric; pairs differ in it.
        bare: the gap without heads and training; pairs differ in it.
        noise: R@1 on noise; chance is 0.02.
        other: R@1 aligned minus R@1 of another sentence.
        same_time: R@1 aligned minus R@1 of another sentence at the same relative time.
        pairs: number of pairs.
        speakers: number of speakers.
        sentences: number of sentences of each speaker.
    """

    def spread(mean: float) -> list[float]:
        return [mean + 0.02 * ((i % 3) - 1) for i in range(pairs)]

    recalls = {
        ("after", "aligned"): spread(0.7),
        ("after", "shifted_0.4"): spread(0.7 - gap),
        ("after", "other_sentence"): [0.7 - other] * pairs,
        ("after", "other_same_time"): spread(0.7 - same_time),
        ("after", "noise"): [noise] * pairs,
        ("after", "noise_elsewhere"): [0.02] * pairs,
        ("untrained", "aligned"): spread(0.5),
        ("untrained", "shifted_0.4"): [0.5 - untrained] * pairs,
        ("untrained_before", "aligned"): spread(0.5),
        ("untrained_before", "shifted_0.4"): [0.5 - bare] * pairs,
    }
    return evaluation_with(recalls, pairs, speakers, sentences)
