"""The evaluation: what it counts, its intervals and verdict, its files, and the command."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.dataset import open_dataset
from stccl_train.config import EvaluateConfig, MetricConfig
from stccl_train.eval.evaluate import BINS, evaluate, untrained
from stccl_train.eval.report import PICTURES, as_text, write_report
from stccl_train.eval.statistics import ALL_REGIONS, MEASURES, STAGES, VIEWS, Evaluation, verdicts
from stccl_train.model.export import save_metric
from stccl_train.model.metric import CorrelationMetric

CONDITIONS = ("aligned", "shifted_10", "other_sentence", "noise", "noise_elsewhere")


def make_metric(freeze: bool = False) -> CorrelationMetric:
    torch.manual_seed(0)
    return CorrelationMetric(
        MetricConfig(backbone="tiny", frames=3, size=64), freeze_backbone=freeze
    )


@pytest.fixture(scope="module")
def evaluation(prepared: Any) -> Evaluation:
    return evaluate(
        make_metric(), prepared.out, EvaluateConfig(per_pair=2, draws=1, shifts=(3, 10))
    )


def test_every_condition_is_counted_on_the_same_windows(evaluation: Evaluation) -> None:
    assert evaluation.conditions == (
        "aligned",
        "shifted_3",
        "shifted_10",
        "other_sentence",
        "noise",
        "noise_elsewhere",
    )
    assert len(evaluation.pairs) == 4 and evaluation.windows == 8
    assert len(evaluation.speakers) == 1 and set(evaluation.emotions) == {"happy", "angry"}
    counts = evaluation.sums[..., 0]
    for condition in range(len(evaluation.conditions)):
        assert np.array_equal(counts[:, :, condition], counts[:, :, 0])
    by_region = counts.sum((0, 1, 2, 3))[0, 0]
    assert by_region[0] == by_region[1:].sum() and (by_region > 0).all()


def test_an_untrained_metric_finds_structure_and_no_proof(evaluation: Evaluation) -> None:
    aligned = evaluation.interval("recall", "scc")
    assert aligned is not None and aligned.low > 0.3  # faces are built alike
    assert not any(verdict.hears for verdict in verdicts(evaluation))
    assert [verdict.term for verdict in verdicts(evaluation)] == ["scc", "tcc"]


def test_noise_is_at_chance(evaluation: Evaluation) -> None:
    for stage in STAGES:
        for term in ("scc", "tcc"):
            less = evaluation.interval(
                "recall",
                term,
                stage=stage,
                condition="noise",
                less={"condition": "noise_elsewhere"},
            )
            chance = evaluation.interval("chance", term, stage=stage, condition="noise")
            assert less is not None and chance is not None
            assert less.low <= 0.2 * chance.mean and less.mean < chance.mean


def test_the_same_question_has_the_same_answer(evaluation: Evaluation, prepared: Any) -> None:
    """However windows are batched: but for a rank here and there that the last bit of a product decides."""
    again = evaluate(
        make_metric(),
        open_dataset(prepared.out),
        EvaluateConfig(per_pair=2, draws=1, shifts=(3, 10), batch=3),
    )
    counted, cosines = (
        [0],
        [1 + MEASURES.index(name) for name in ("matched", "mismatched", "chance")],
    )
    assert np.allclose(again.sums[..., counted], evaluation.sums[..., counted])
    assert np.allclose(
        again.sums[..., cosines], evaluation.sums[..., cosines], rtol=1e-4, atol=1e-2
    )
    assert np.abs(again.sums - evaluation.sums).sum() < 1e-3 * evaluation.sums.sum()


def test_histograms_hold_every_token_of_the_mouth(evaluation: Evaluation) -> None:
    for number, kind in enumerate(evaluation.kinds):
        counted = evaluation.sums[:, 0, 0, 0, number, :, ALL_REGIONS.index("mouth"), 0].sum()
        assert evaluation.histograms[kind]["matched"].sum() == counted
        assert set(evaluation.histograms[kind]) == {
            "matched",
            "mismatched",
            "shifted_10",
            "other_sentence",
        }


def made_up(
    recalls: dict[tuple[str, str], list[float]], pairs: int, speakers: int = 1
) -> Evaluation:
    """An evaluation of scc_vd in two layers with these R@1 by (stage, condition), one a pair, in every region."""
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
    sums[..., 0] = 10
    sums[..., 1 + MEASURES.index("chance")] = 10 * 0.02
    for (stage, condition), values in recalls.items():
        cell = sums[:, STAGES.index(stage), CONDITIONS.index(condition)]
        cell[..., 1 + MEASURES.index("recall")] = 10 * np.array(values)[:, None, None, None, None]
    rows = tuple((f"s{i}", f"t{i}", f"speaker{i % speakers}", "happy") for i in range(pairs))
    histograms = {"scc_vd": {"matched": np.ones(len(BINS) - 1, np.int64)}}
    return Evaluation((), ("scc_vd",), CONDITIONS, 2, rows, pairs, sums, histograms, BINS)


def spread(mean: float, pairs: int) -> list[float]:
    return [mean + 0.02 * ((i % 3) - 1) for i in range(pairs)]


def example(
    gap: float,
    before: float,
    bare: float = 0.15,
    noise: float = 0.02,
    other: float = 0.2,
    pairs: int = 12,
    speakers: int = 1,
) -> Evaluation:
    recalls = {
        ("after", "aligned"): spread(0.7, pairs),
        ("after", "shifted_10"): spread(0.7 - gap, pairs),
        ("after", "other_sentence"): [0.7 - other] * pairs,
        ("after", "noise"): [noise] * pairs,
        ("after", "noise_elsewhere"): [0.02] * pairs,
        ("untrained", "aligned"): spread(0.5, pairs),
        ("untrained", "shifted_10"): [0.5 - before] * pairs,
        ("untrained_before", "aligned"): spread(0.5, pairs),
        ("untrained_before", "shifted_10"): [0.5 - bare] * pairs,
    }
    return made_up(recalls, pairs, speakers)


def test_a_metric_that_tells_shifted_from_aligned_is_believed() -> None:
    (verdict,) = verdicts(example(gap=0.3, before=0.1))
    assert verdict.hears and "SCC hears speech" in verdict.sentence
    assert math.isclose(verdict.gap.mean, 0.3, abs_tol=1e-9)
    assert math.isclose(
        verdict.gap.low, 0.3, abs_tol=1e-9
    )  # pairs are compared with themselves: no spread is left
    assert verdict.untrained.low < 0.1 < verdict.untrained.high


@pytest.mark.parametrize(
    "doubtful",
    [
        {"gap": 0.15, "before": 0.1, "bare": 0.1},  # less than twice
        {
            "gap": 0.3,
            "before": 0.1,
            "bare": 0.3,
        },  # the untrained backbone does as well without heads
        {"gap": 0.3, "before": 0.1, "pairs": 4},  # too few
        {"gap": 0.3, "before": 0.1, "noise": 0.024},  # noise is found as well
        {"gap": 0.3, "before": 0.1, "other": -0.1},  # another sentence is found better
        {"gap": -0.1, "before": -0.2},
    ],
)
def test_a_metric_that_fails_a_control_is_not_believed(doubtful: dict[str, float]) -> None:
    (verdict,) = verdicts(example(**doubtful))  # type: ignore[arg-type]
    assert not verdict.hears and "does not prove" in verdict.sentence


def test_nothing_is_proved_by_speakers_of_the_training() -> None:
    (verdict,) = verdicts(replace(example(gap=0.3, before=0.1), seen=("mead/M003",)))
    assert not verdict.hears and "trained on mead/M003" in verdict.sentence


def test_where_there_is_no_other_sentence_the_verdict_says_so() -> None:
    evaluation = example(gap=0.3, before=0.1)
    evaluation.sums[:, :, CONDITIONS.index("other_sentence")] = 0
    (verdict,) = verdicts(evaluation)
    assert (
        verdict.hears
        and verdict.other is None
        and "no other sentence to compare with" in verdict.sentence
    )


def test_intervals_are_over_speakers_where_there_are_many() -> None:
    few, many = example(0.3, 0.1, pairs=24, speakers=3), example(0.3, 0.1, pairs=24, speakers=12)
    assert (few.unit, many.unit) == ("pairs", "speakers")
    one, other = few.interval("recall", "scc"), many.interval("recall", "scc")
    assert one is not None and other is not None and math.isclose(one.mean, other.mean)
    assert one.low < one.mean < one.high and other.low < other.mean < other.high
    assert few.interval("recall", "scc", emotion="sad") is None
    alone = example(0.3, 0.1, pairs=1).interval("recall", "scc")
    assert (
        str(one) == f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]"
        and str(alone) == f"{alone.mean:.3f}"
    )  # type: ignore[union-attr]


def test_layers_weigh_alike() -> None:
    evaluation = made_up({("after", "aligned"): [0.5, 0.5]}, 2)
    evaluation.sums[:, :, :, :, :, 1] *= 100  # a layer with a hundred times the tokens,
    evaluation.sums[:, :, :, :, :, 1, :, 1 + MEASURES.index("recall")] = 0  # none of them found
    interval = evaluation.interval("recall", "scc")
    assert interval is not None and math.isclose(interval.mean, 0.25)


def test_the_report_is_complete(evaluation: Evaluation, tmp_path: Path) -> None:
    lines = [
        {
            "step": step,
            "section": "train",
            "loss": 3.0,
            "scc_vd.recall": 0.1,
            "scc_vd.1.recall": 0.1,
        }
        for step in (1, 2)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = write_report(tmp_path / "eval", evaluation, {"data": "here"}, tmp_path)
    assert all((tmp_path / "eval" / picture).stat().st_size > 5000 for picture in PICTURES)
    assert (tmp_path / "eval" / "eval.txt").read_text() == text
    for word in (
        "Verdict",
        "untrained",
        "mouth",
        "eyes",
        "+10",
        "other",
        "noise",
        "chance",
        "MRR",
        "AUC",
        "happy",
    ):
        assert word in text
    assert max(map(len, text.partition("Verdict")[0].splitlines())) <= 132
    record = json.loads((tmp_path / "eval" / "eval.json").read_text())
    assert record["data"] == "here" and len(record["verdicts"]) == 2 and record["verdict"]
    assert {row["condition"] for row in record["rows"]} == set(evaluation.conditions)
    assert {row["layer"] for row in record["rows"]} == {1, 2, 3, 4, "mean"}
    assert all(row["recall_low"] <= row["recall"] <= row["recall_high"] for row in record["rows"])


def test_without_the_shift_that_the_verdict_is_about_there_are_tables_all_the_same(
    prepared: Any,
) -> None:
    found = evaluate(
        make_metric(), prepared.out, EvaluateConfig(per_pair=1, draws=1, shifts=(3,), utterances=1)
    )
    text = as_text(found)
    assert "No verdict: it is about a shift by 10 frames" in text and "+3" in text


def test_untrained_means_what_it_was_before() -> None:
    for freeze in (False, True):
        metric = make_metric(freeze)
        fresh = untrained(metric, seed=5)
        same = all(
            torch.equal(a, b)
            for a, b in zip(metric.backbone.parameters(), fresh.backbone.parameters(), strict=True)
        )
        assert same is freeze
        assert not torch.equal(
            metric.heads["scc_vd"][0].inner.weight, fresh.heads["scc_vd"][0].inner.weight
        )  # type: ignore[index]


def test_the_command_prints_the_tables_and_leaves_the_report(prepared: Any, tmp_path: Path) -> None:
    save_metric(tmp_path / "run", make_metric())
    options = ["--per-pair", "1", "--draws", "1", "--shifts", "10", "--utterances", "1"]
    done = CliRunner().invoke(stccl, ["eval", str(tmp_path / "run"), str(prepared.out), *options])
    assert done.exit_code == 0, done.output
    assert "SCC does not prove that it hears speech: 2 pairs are too few" in done.output
    assert (tmp_path / "run" / "eval-test" / "eval.json").is_file()


def test_the_evaluation_on_another_dataset_is_not_replaced(prepared: Any, tmp_path: Path) -> None:
    save_metric(tmp_path / "run", make_metric())
    report = tmp_path / "run" / "eval-test" / "eval.json"
    report.parent.mkdir()
    report.write_text('{"data": "/elsewhere"}')
    done = CliRunner().invoke(stccl, ["eval", str(tmp_path / "run"), str(prepared.out)])
    assert (
        done.exit_code == 2
        and "holds the evaluation on /elsewhere: give another folder by --report" in done.output
    )
    assert report.read_text() == '{"data": "/elsewhere"}'


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--split", "val"], "has no split 'val'"),
        (["--shifts", "5,ten"], "shifts"),
        (["--shifts", "1000"], "look at fewer --shifts"),
        (["--shifts=-20,10"], "shifts"),
        (["--draws", "0"], "--draws"),
        (["--batch", "-2"], "--batch"),
        (["--device", "foo"], "device 'foo'"),
    ],
)
def test_questions_without_an_answer_get_a_sentence(
    prepared: Any, tmp_path: Path, options: list[str], sentence: str
) -> None:
    save_metric(tmp_path / "run", make_metric())
    done = CliRunner().invoke(stccl, ["eval", str(tmp_path / "run"), str(prepared.out), *options])
    assert done.exit_code in (1, 2) and sentence in done.output.replace("\n", " ")
