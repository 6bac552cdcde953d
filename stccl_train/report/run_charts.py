"""The charts of a training run, from metrics.jsonl and eval.json."""

from collections.abc import Mapping, Sequence
from typing import Any

from stccl_data.report.charts import Chart, axis, line
from stccl_train.eval.tables import STAGE_NAMES

#: Colour of each stage.
_COLOURS = {
    "after": "--source",
    "before": "--target",
    "untrained": "--soft",
    "untrained_before": "--soft-faint",
}


def training_chart(name: str, sections: Mapping[str, Sequence[tuple[float, float]]]) -> Chart:
    """Draw one figure of the training by step, of both splits."""
    colours = {"train": "--source", "val": "--target"}
    data = [
        line([x for x, _ in points], [y for _, y in points], part, colours.get(part, "--good"))
        for part, points in sections.items()
    ]
    layout = {"xaxis": axis("step"), "yaxis": axis(name)}
    return Chart(f"{name} by training step", data, layout, 240)


def condition_chart(record: Mapping[str, Any], term: str) -> Chart:
    """Draw R@1 at the mouth of each stage under each condition, with 95 % intervals."""
    rows = _rows(record, term, layer="mean", region="mouth")
    rows = rows or _rows(record, term, layer="mean", region="all")
    conditions = list(dict.fromkeys(row["condition"] for row in rows))
    data = []
    for stage, name in STAGE_NAMES.items():
        by_condition = {row["condition"]: row for row in rows if row["stage"] == stage}
        shown = [by_condition[condition] for condition in conditions if condition in by_condition]
        if shown:
            data.append(_bars([_words(row["condition"]) for row in shown], shown, name, stage))
    chance = next((row["chance"] for row in rows), None)
    shapes = [] if chance is None else [_level(chance)]
    layout = {
        "barmode": "group",
        "xaxis": axis(""),
        "yaxis": axis("R@1 at the mouth", rangemode="tozero"),
        "shapes": shapes,
    }
    label = f"R@1 of {term.upper()} at the mouth by condition; the dashed line is chance"
    return Chart(label, data, layout, 380)


def region_chart(record: Mapping[str, Any], term: str) -> Chart:
    """Draw R@1 of the trained metric by region, aligned and under the controls."""
    rows = [row for row in _rows(record, term, layer="mean") if row["stage"] == "after"]
    wanted = ("aligned", "shifted_0.4", "other_sentence", "other_same_time")
    colours = dict(zip(wanted, ("--source", "--target", "--good", "--bad"), strict=True))
    data = []
    for condition in wanted:
        shown = [row for row in rows if row["condition"] == condition]
        if shown:
            bars = _bars([row["region"] for row in shown], shown, _words(condition), "after")
            bars["marker"] = {"color": colours[condition]}
            data.append(bars)
    layout = {
        "barmode": "group",
        "xaxis": axis(""),
        "yaxis": axis("R@1", rangemode="tozero"),
    }
    return Chart(f"R@1 of {term.upper()} by region of the face", data, layout, 300)


def layer_chart(record: Mapping[str, Any], term: str) -> Chart:
    """Draw R@1 at the mouth by layer, of the trained and the untrained metric."""
    rows = [row for row in _rows(record, term, region="mouth") if row["layer"] != "mean"]
    data = []
    for stage in ("after", "untrained"):
        for condition, dash in (("aligned", "solid"), ("shifted_0.4", "dot")):
            shown = [r for r in rows if r["stage"] == stage and r["condition"] == condition]
            if shown:
                name = f"{STAGE_NAMES[stage]}, {_words(condition)}"
                layers, recalls = ([row[key] for row in shown] for key in ("layer", "recall"))
                data.append(line(layers, recalls, name, _COLOURS[stage], dash=dash))
    layout = {"xaxis": axis("layer", dtick=1), "yaxis": axis("R@1", rangemode="tozero")}
    return Chart(f"R@1 of {term.upper()} at the mouth by layer", data, layout, 300)


def _rows(record: Mapping[str, Any], term: str, **labels: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a term over all emotions, in the headline's view."""
    view = record["headline_view"].get(term)
    wanted = {"term": term, "emotion": "all", "view": view, **labels}
    return [row for row in record["rows"] if all(row[key] == wanted[key] for key in wanted)]


def _bars(
    labels: Sequence[str], rows: Sequence[Mapping[str, Any]], name: str, stage: str
) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": labels,
        "y": [row["recall"] for row in rows],
        "name": name,
        "marker": {"color": _COLOURS[stage]},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [row["recall_high"] - row["recall"] for row in rows],
            "arrayminus": [row["recall"] - row["recall_low"] for row in rows],
            "thickness": 1,
            "width": 2,
            "color": "--ink",
        },
        "hovertemplate": "%{x}: %{y:.3f}",
    }


def _level(value: float) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": 0,
        "x1": 1,
        "xref": "paper",
        "y0": value,
        "y1": value,
        "line": {"color": "--ink", "width": 1.5, "dash": "dash"},
    }


def _words(condition: str) -> str:
    if condition.startswith("shifted_"):
        return f"+{condition.removeprefix('shifted_')} s"
    return condition.replace("_", " ")
