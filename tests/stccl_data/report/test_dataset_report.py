"""The report of a dataset: what is shown, and datasets that have little to show."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.dataset.layout import SHARDS
from stccl_data.errors import UsageError
from stccl_data.pairs.gates import GateConfig
from stccl_data.report import ReportConfig, write_dataset_report
from stccl_data.report.dataset_report import ReportError
from stccl_data.report.scores import PAIR_SCORES, distributions
from stccl_data.report.selection import choose_pairs
from stccl_data.report.site import safe_json
from tests.conftest import Prepared
from tests.testing import datasets

HOSTILE = "\"><script>window.hacked = 1</script><b title='\u202eדובר"


@dataclass(frozen=True)
class Written:
    """A report in a folder."""

    folder: Path

    def page(self, name: str = "index.html") -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    @property
    def table(self) -> dict[str, Any]:
        code = (self.folder / "data" / "pairs.js").read_text()
        text = code.partition("JSON.parse('")[2].removesuffix("');\n")
        values: dict[str, Any] = json.loads(text.replace("\\\\", "\\"))
        return values


def write(out: Path, to: Path, pairs: int = 3, **options: Any) -> Written:
    return Written(write_dataset_report(out, to, ReportConfig(pairs=pairs, **options)).page.parent)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> datasets.SmallDataset:
    return datasets.make_dataset(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def report(small: datasets.SmallDataset, tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(small.out, tmp_path_factory.mktemp("report") / "report")


def test_a_shown_pair_has_its_media_beside_it(report: Written) -> None:
    for suffix in (".mp4", ".webp", "-strip.webp"):
        assert (report.folder / "media" / f"0001{suffix}").stat().st_size > 200
        assert f"../media/0001{suffix}" in report.page("pairs/0001.html")


def test_a_refused_pair_says_why_and_what_to_do(report: Written) -> None:
    pages = [report.page(f"pairs/000{number}.html") for number in (1, 2, 3)]
    refused = [page for page in pages if "longest_repeat</bdi>" in page]
    assert refused and all("check for long silence" in page for page in refused)


def test_the_front_page_counts_rejections_by_reason(report: Written) -> None:
    page = report.page()
    assert "<code>no_face</code><b>1</b>" in page and "<code>longest_repeat</code><b>6</b>" in page


def test_the_table_has_every_pair_and_leads_to_the_shown_ones(report: Written) -> None:
    table = report.table
    assert len(table["source"]) == 13 and sorted(table["pages"].values()) == [
        "0001",
        "0002",
        "0003",
    ]
    state = next(column for column in table["columns"] if column["name"] == "state")
    assert set(state["words"]) == {"accepted", "longest_repeat", "partner_failed"}


def test_nothing_is_loaded_from_elsewhere(report: Written) -> None:
    for path in report.folder.rglob("*.html"):
        text = path.read_text()
        assert 'src="http' not in text and 'href="http' not in text


def test_the_shown_pairs_are_the_worst_the_best_and_one_of_each_reason() -> None:
    rows = [
        {"cost": cost, "mode": "audio", "accepted": reason is None, "reason": reason}
        for cost, reason in zip(
            np.linspace(0, 1, 12),
            [*[None] * 9, "local_slope", "local_slope", "bad_path"],
            strict=True,
        )
    ]
    known = distributions(PAIR_SCORES, rows, lambda row: bool(row["accepted"]), GateConfig())
    shown = choose_pairs(rows, known, 8)
    costs = {
        group: [pair.index for pair in shown if pair.group == group]
        for group in ("worst", "refused", "best")
    }
    assert costs["worst"][0] == 8 and costs["best"][0] == 0
    assert costs["refused"] == [9, 11]
    assert len({pair.index for pair in shown}) == 8


def test_values_that_differ_by_rounding_are_equal() -> None:
    rows = [{"content_score": 1 - 5e-7 + 1e-15 * i, "accepted": True} for i in range(9)]
    known = distributions(PAIR_SCORES, rows, lambda row: True, GateConfig())["content_score"]
    assert known.edges[-1] - known.edges[0] == pytest.approx(1)
    assert known.used.max() == len(rows)
    assert {known.place(row["content_score"]) for row in rows} == {0.5}


def test_pairs_that_were_never_aligned_are_not_shown() -> None:
    assert choose_pairs([{"mode": None, "accepted": False, "reason": "no_face"}], {}, 5) == []


def test_hostile_names_are_text(tmp_path: Path) -> None:
    dataset = datasets.make_dataset(tmp_path / "out")
    for row in (*dataset.clips, *dataset.pairs):
        row["speaker"] = HOSTILE
    for row in dataset.clips:
        row["text"] = row["detail"] = row["notes"] = HOSTILE
    for row in dataset.pairs:
        row["sentence"] = row["detail"] = HOSTILE
    datasets.write_tables(dataset.out, dataset.clips, dataset.pairs)
    report = write(dataset.out, tmp_path / "report", single_file=False)
    for path in [*report.folder.rglob("*.html"), report.folder / "data" / "pairs.js"]:
        assert "<script>window" not in path.read_text(encoding="utf-8"), path
    assert "&lt;script&gt;window.hacked" in report.page()


def test_json_in_a_page_cannot_end_its_script() -> None:
    text = str(safe_json({"a": "</script><!--", "b": float("nan"), "c": np.float32(np.inf)}))
    assert "<" not in text and json.loads(text) == {"a": "</script><!--", "b": None, "c": None}


def test_a_dataset_without_crops_has_curves_and_no_video(tmp_path: Path) -> None:
    dataset = datasets.make_dataset(tmp_path / "out", crops=False)
    report = write(dataset.out, tmp_path / "report")
    assert not list(report.folder.glob("media/*.mp4"))
    page = report.page("pairs/0001.html")
    assert "holds no crops" in page and "Mouth opening over time" in page


def test_a_dataset_without_crops_plays_its_sound(tmp_path: Path) -> None:
    dataset = datasets.make_dataset(tmp_path / "out", crops=False, audio=True)
    report = write(dataset.out, tmp_path / "report", pairs=1)
    assert (report.folder / "media" / "0001-source.m4a").stat().st_size > 500
    assert "<audio controls" in report.page("pairs/0001.html")


def test_a_dataset_without_an_accepted_pair_shows_the_refused_ones(tmp_path: Path) -> None:
    dataset = datasets.make_dataset(tmp_path / "out")
    for row in dataset.pairs:
        row |= {"accepted": False, "reason": "content_mismatch"}
    datasets.write_tables(dataset.out, dataset.clips, dataset.pairs)
    page = write(dataset.out, tmp_path / "report").page()
    assert "<h3>Refused" in page and "with the best scores" not in page


def test_a_dataset_without_any_pair_has_a_front_page(tmp_path: Path) -> None:
    dataset = datasets.make_dataset(tmp_path / "out")
    datasets.write_tables(dataset.out, dataset.clips, [])
    assert "No pair could be aligned" in write(dataset.out, tmp_path / "report").page()


def test_a_thousand_speakers_fit(tmp_path: Path) -> None:
    dataset = datasets.make_dataset(tmp_path / "out")
    clips = [{**dataset.clips[0], "clip_id": f"c{i}", "speaker": f"S{i:04}"} for i in range(1000)]
    datasets.write_tables(dataset.out, [*dataset.clips, *clips], dataset.pairs)
    page = write(dataset.out, tmp_path / "report", pairs=0).page()
    assert page.count('<th scope="row"><bdi>S') == 1000 and len(page) < 1_500_000


@pytest.mark.parametrize("listed", ["neutral", "nothing"])
def test_a_pair_is_shown_though_a_clip_has_no_scores(tmp_path: Path, listed: str) -> None:
    dataset = datasets.make_dataset(tmp_path / "out")
    clips = [row for row in dataset.clips if row["emotion"] == listed]
    datasets.write_tables(dataset.out, clips, dataset.pairs)
    page = write(dataset.out, tmp_path / "report", pairs=1).page("pairs/0001.html")
    assert ("eye_distance" in page) == (listed == "neutral")


def test_a_dataset_of_schema_1_is_shown(tmp_path: Path) -> None:
    import tarfile

    archive = Path(__file__).parents[2] / "frozen" / "schema-1.tar.xz"
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    report = write(tmp_path / "dataset", tmp_path / "report", pairs=1)
    assert (report.folder / "media" / "0001.mp4").stat().st_size > 500


def test_a_missing_shard_is_named_and_costs_the_pictures_of_its_pairs_alone(
    tmp_path: Path,
) -> None:
    dataset = datasets.make_dataset(tmp_path / "out")
    missing = next(dataset.out.glob("shards/val/*.tar"))
    missing.unlink()
    report = Written(tmp_path / "report")
    words = ["report", str(dataset.out), "--to", str(report.folder), "--pairs", "12"]
    result = CliRunner().invoke(stccl, words)
    assert result.exit_code == 0
    assert f"{missing} is missing; run `stccl verify {dataset.out}`" in result.stderr
    assert f"<bdi>{missing}</bdi> is missing" in report.page()
    pages = [report.page(f"pairs/{number:04}.html") for number in range(1, 13)]
    assert sum("cannot be shown" in page for page in pages) == 2


def test_an_unfinished_dataset_is_refused_with_the_next_step(
    prepared_copy: Path, tmp_path: Path
) -> None:
    (prepared_copy / SHARDS).unlink()
    with pytest.raises(ReportError, match=r"is not finished: 12 clips .*`stccl prepare`"):
        write(prepared_copy, tmp_path / "report")


def test_another_folder_is_not_overwritten(small: datasets.SmallDataset, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match="--to"):
        write(small.out, tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_a_report_is_written_again_in_its_place(
    small: datasets.SmallDataset, tmp_path: Path
) -> None:
    write(small.out, tmp_path / "report", pairs=2)
    assert not (write(small.out, tmp_path / "report", pairs=1).folder / "pairs/0002.html").exists()


def test_a_dataset_that_may_not_be_written_names_the_option(nobodys: Path) -> None:
    out = datasets.make_dataset(nobodys / "out").out
    out.chmod(0o500)
    with pytest.raises(UsageError, match="--to"):
        write_dataset_report(out, None, ReportConfig(pairs=0))
    write(out, nobodys / "report", pairs=0)


def test_the_command_prints_the_page_to_open(prepared: Prepared, tmp_path: Path) -> None:
    words = ["report", str(prepared.out), "--to", str(tmp_path / "report"), "--pairs", "1"]
    result = CliRunner().invoke(stccl, words)
    assert result.exit_code == 0 and f"{tmp_path / 'report' / 'index.html'}" in result.stdout


def test_a_folder_of_something_else_is_refused_with_what_to_give(tmp_path: Path) -> None:
    result = CliRunner().invoke(stccl, ["report", str(tmp_path)])
    assert result.exit_code != 0
    assert "is neither a dataset, a run nor a measurement" in result.output
