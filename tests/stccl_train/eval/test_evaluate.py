"""Evaluating a metric: what is counted under which condition."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stccl_data.dataset import open_dataset
from stccl_data.errors import Reason
from stccl_train.config import EvaluateConfig
from stccl_train.eval.evaluate import EvaluationError, evaluate, untrained
from stccl_train.eval.statistics import ALL_REGIONS, MEASURES, STAGES, Evaluation, Selection
from stccl_train.eval.verdict import verdicts
from stccl_train.model.export import save_metric
from stccl_train.model.metric import CorrelationMetric
from tests.testing.metrics import tiny_metric

CONFIG = EvaluateConfig(per_pair=2, draws=1, untrained=2, shifts=(0.12, 0.4))


@pytest.fixture(scope="module")
def evaluation(prepared: Any) -> Evaluation:
    return evaluate(tiny_metric(), prepared.out, CONFIG)


def test_every_pair_of_the_split_is_counted(evaluation: Evaluation) -> None:
    assert len(evaluation.pairs) == 4 and evaluation.windows == 8
    assert len(evaluation.speakers) == 1
    assert evaluation.emotions == ("angry", "happy")


def test_every_condition_is_counted_on_the_same_windows(evaluation: Evaluation) -> None:
    assert evaluation.conditions == (
        "aligned",
        "shifted_0.12",
        "shifted_0.4",
        "other_sentence",
        "other_same_time",
        "noise",
        "noise_elsewhere",
    )
    counts = evaluation.sums[..., 0][:, : STAGES.index("untrained")]
    for condition in range(len(evaluation.conditions)):
        assert np.array_equal(counts[:, :, condition], counts[:, :, 0])


def test_further_untrained_metrics_are_counted_in_the_gap_alone(evaluation: Evaluation) -> None:
    counts = evaluation.sums[:, STAGES.index("untrained"), ..., 0].sum((0, 2, 3, 4, 5))
    once, twice = counts[1], counts[0]
    assert twice == counts[evaluation.conditions.index("shifted_0.4")] == CONFIG.untrained * once
    gaps = evaluation.untrained_gaps(evaluation.kinds[0])
    assert len(set(gaps)) == CONFIG.untrained


def test_regions_divide_all_tokens(evaluation: Evaluation) -> None:
    by_region = evaluation.sums[..., 0].sum((0, 1, 2, 3))[0, 0]
    assert by_region[0] == by_region[1:].sum()
    assert (by_region > 0).all()


def test_an_untrained_metric_finds_structure_but_proves_nothing(evaluation: Evaluation) -> None:
    aligned = evaluation.interval("recall", Selection("scc"))
    assert aligned is not None and aligned.mean > 0.3  # faces are built alike
    judged = verdicts(evaluation)
    assert [verdict.name for verdict in judged] == ["SCC-VD", "SCC-MD", "TCC-VD"]
    assert not any(verdict.hears for verdict in judged)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("term", ["scc", "tcc"])
def test_noise_is_at_chance(evaluation: Evaluation, stage: str, term: Any) -> None:
    noise = Selection(term, stage=stage, condition="noise")
    gap = evaluation.gap(noise, "noise_elsewhere")
    chance = evaluation.mean("chance", noise)
    assert gap is not None
    assert gap.low <= 0.2 * chance and gap.mean < chance


def test_the_result_does_not_depend_on_the_batch_size(
    evaluation: Evaluation, prepared: Any
) -> None:
    """But for a rank here and there that the last bit of a product decides."""
    config = EvaluateConfig(per_pair=2, draws=1, untrained=2, shifts=(0.12, 0.4), batch=3)
    again = evaluate(tiny_metric(), open_dataset(prepared.out), config)
    cosines = [1 + MEASURES.index(name) for name in ("matched", "mismatched", "chance")]
    assert np.allclose(again.sums[..., 0], evaluation.sums[..., 0])
    assert np.allclose(
        again.sums[..., cosines], evaluation.sums[..., cosines], rtol=1e-4, atol=1e-2
    )
    assert np.abs(again.sums - evaluation.sums).sum() < 1e-3 * evaluation.sums.sum()


def test_histograms_hold_every_token_of_the_mouth(evaluation: Evaluation) -> None:
    for number, kind in enumerate(evaluation.kinds):
        tokens = evaluation.sums[:, 0, 0, 0, number, :, ALL_REGIONS.index("mouth"), 0].sum()
        histograms = evaluation.histograms[kind.name]
        assert histograms["matched"].sum() == tokens
        assert set(histograms) == {
            "matched",
            "mismatched",
            "shifted_0.4",
            "other_sentence",
            "other_same_time",
        }


class RecordingProgress:
    """Remembers the stages and counts the steps."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.steps = 0

    def stage(self, name: str, total: int, done: int = 0) -> None:
        self.stages.append((name, total))

    def step(self, reason: Reason | None = None, values: Any = None) -> None:
        self.steps += 1

    def note(self, text: str) -> None:
        pass


def test_progress_has_a_step_for_each_window(prepared: Any) -> None:
    progress = RecordingProgress()
    config = EvaluateConfig(per_pair=1, draws=1, untrained=1, shifts=(0.12,), utterances=1)
    evaluate(tiny_metric(), prepared.out, config, progress=progress)
    assert progress.stages == [("evaluate", 2)] and progress.steps == 2


def test_shifts_longer_than_every_clip_are_an_error(prepared: Any) -> None:
    config = EvaluateConfig(per_pair=1, draws=1, untrained=1, shifts=(9.0,))
    with pytest.raises(EvaluationError, match=str(prepared.out)):
        evaluate(tiny_metric(), prepared.out, config)


@pytest.mark.parametrize("freeze", [False, True])
def test_an_untrained_metric_has_fresh_heads_and_keeps_a_frozen_backbone(freeze: bool) -> None:
    metric = tiny_metric(freeze)
    fresh = untrained(metric, seed=5)
    same = all(
        torch.equal(a, b)
        for a, b in zip(metric.backbone.parameters(), fresh.backbone.parameters(), strict=True)
    )
    assert same is freeze
    assert not torch.equal(_head_weight(metric), _head_weight(fresh))


def _head_weight(metric: CorrelationMetric) -> torch.Tensor:
    return metric.get_parameter("heads.scc_vd.0.inner.weight")


def test_a_saved_run_is_evaluated_and_names_the_speakers_it_has_seen(
    prepared: Any, tmp_path: Path
) -> None:
    (speaker,) = {"/".join(key.split("/")[:2]) for key in open_dataset(prepared.out).keys("test")}
    save_metric(tmp_path, tiny_metric(), {"data": {"speakers": [speaker]}})
    config = EvaluateConfig(per_pair=1, draws=1, untrained=1, shifts=(0.12,), utterances=1)
    assert evaluate(tmp_path, prepared.out, config).seen == (speaker,)
