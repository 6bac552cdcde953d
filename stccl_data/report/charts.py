"""The charts of a report, as plotly.js draws them.

A colour is the name of a variable of the style sheet, such as ``--source``: the script puts the
colour of the present theme in its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stccl_data.report.scores import Distribution
from stccl_data.report.views import ClipView, CostMatrix, MouthCurves


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart."""

    #: what it shows, for those who do not see it
    label: str
    #: plotly's traces and layout
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    #: height in pixels
    height: int = 260
    #: whether the player's time is drawn on its x axis
    follows_player: bool = False

    @property
    def figure(self) -> dict[str, Any]:
        """Return what plotly draws."""
        return {"data": self.data, "layout": self.layout, "follows": self.follows_player}


def line(
    x: Sequence[float | None], y: Sequence[float | None], name: str, colour: str, **style: Any
) -> dict[str, Any]:
    """Return a line through points; None breaks it."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "name": name,
        "line": {"color": colour, "width": 2, **style},
        "hovertemplate": "%{y:.3g}",
    }


def axis(title: str, **settings: Any) -> dict[str, Any]:
    """Return the settings of an axis."""
    return {"title": {"text": title}, **settings}


def distribution_chart(distribution: Distribution) -> Chart:
    """Draw the values of a score, with the thresholds of its gate."""
    edges = distribution.edges
    centres = ((edges[:-1] + edges[1:]) / 2).tolist()
    width = float(edges[1] - edges[0])
    parts = (("in use", distribution.used, "--good"), ("not in use", distribution.refused, "--bad"))
    data = [
        {
            "type": "bar",
            "x": centres,
            "y": counts.tolist(),
            "width": width,
            "name": name,
            "marker": {"color": colour, "line": {"width": 0}},
            "hovertemplate": "%{x:.3g}: %{y:,}",
        }
        for name, counts, colour in parts
        if counts.any()
    ]
    shown = [limit for limit in distribution.thresholds if _is_near(limit, edges)]
    layout = {
        "barmode": "stack",
        "bargap": 0.05,
        "showlegend": False,
        "xaxis": axis(""),
        "yaxis": axis("", rangemode="tozero"),
        "shapes": [_threshold(limit) for limit in shown],
        "annotations": [_threshold_label(limit) for limit in shown],
    }
    total = int(distribution.used.sum() + distribution.refused.sum())
    label = (
        f"Histogram of {distribution.score.name} over {total:,} values, "
        f"median {distribution.values[len(distribution.values) // 2]:.3g}"
    )
    return Chart(label, data, layout, 170)


def mouth_chart(curves: MouthCurves) -> Chart:
    """Draw the opening of both mouths, the target's before and after warping."""
    data = [
        line(curves.target_times, curves.target, "target, before", "--target-faint", dash="dot"),
        line(curves.source_times, curves.source, "source", "--source"),
        line(curves.source_times, curves.warped, "target, warped", "--target"),
    ]
    layout = {"xaxis": axis("seconds"), "yaxis": axis("mouth opening"), "hovermode": "x unified"}
    label = "Mouth opening over time: source, target before and after warping"
    return Chart(label, data, layout, 280, follows_player=True)


def cost_chart(cost: CostMatrix, address: str, path: tuple[list[float], list[float]]) -> Chart:
    """Draw the path through a cost matrix: source to the right, target upwards."""
    left, right, bottom, top = cost.extent
    picture = {
        "source": address,
        "xref": "x",
        "yref": "y",
        "x": left,
        "y": top,
        "sizex": right - left,
        "sizey": top - bottom,
        "sizing": "stretch",
        "layer": "below",
    }
    data = [{**line(path[0], path[1], "path", "#46e6ff"), "showlegend": False}]
    layout = {
        "images": [picture],
        "xaxis": axis("source, seconds", range=[left, right], showgrid=False),
        "yaxis": axis("target, seconds", range=[bottom, top], showgrid=False),
    }
    label = f"Cost matrix of the two clips by {cost.mode} features, with the warping path"
    return Chart(label, data, layout, 380, follows_player=True)


def clip_charts(view: ClipView) -> list[Chart]:
    """Draw how presence, pose, face size, sharpness and the mouth go over a clip."""
    charts = []
    if any(value == value for value in view.presence):  # not all NaN
        data = [line(view.times, view.presence, "presence", "--source")]
        layout = {"yaxis": axis("presence", range=[0, 1.05]), "shapes": _gaps(view)}
        charts.append(Chart("Presence of the face over time; gaps are shaded", data, layout, 180))
    if view.yaw:
        turns = (("yaw", view.yaw, "--source"), ("pitch", view.pitch, "--target"))
        data = [line(view.times, values, name, colour) for name, values, colour in turns]
        data.append(line(view.times, view.roll, "roll", "--good"))
        charts.append(Chart("Head pose over time", data, {"yaxis": axis("degrees")}, 220))
        data = [line(view.times, view.eye_distance, "eye distance", "--source")]
        layout = {"yaxis": axis("pixels", rangemode="tozero")}
        charts.append(Chart("Distance of the outer eye corners over time", data, layout, 180))
    if view.sharpness:
        data = [line(view.times, view.sharpness, "sharpness", "--source")]
        layout = {"yaxis": axis("sharpness", rangemode="tozero")}
        charts.append(Chart("Sharpness of the face crop over time", data, layout, 180))
    if view.mouth:
        data = [line(view.mouth_times, view.mouth, "mouth opening", "--source")]
        layout = {"yaxis": axis("mouth opening", rangemode="tozero")}
        charts.append(Chart("Mouth opening over time", data, layout, 180))
    for chart in charts:
        chart.layout["xaxis"] = axis("seconds")
        chart.layout["showlegend"] = len(chart.data) > 1
    return charts


def _is_near(limit: float, edges: Any) -> bool:
    """Whether a threshold lies in the range of the values, or a little outside."""
    margin = 0.6 * float(edges[-1] - edges[0])
    return bool(edges[0] - margin <= limit <= edges[-1] + margin)


def _threshold(limit: float) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": limit,
        "x1": limit,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": "--ink", "width": 1.5, "dash": "dash"},
    }


def _threshold_label(limit: float) -> dict[str, Any]:
    return {
        "x": limit,
        "y": 1,
        "yref": "paper",
        "text": f"{limit:.3g}",
        "showarrow": False,
        "yanchor": "bottom",
        "font": {"size": 11},
    }


def _gaps(view: ClipView) -> list[Mapping[str, Any]]:
    """Shade the stretches in which no face was found."""
    shapes: list[Mapping[str, Any]] = []
    start = None
    for time, valid in zip([*view.times, None], [*view.valid, True], strict=True):
        if not valid and start is None:
            start = time
        elif valid and start is not None:
            end = time if time is not None else view.times[-1]
            box = {"type": "rect", "x0": start, "x1": end, "y0": 0, "y1": 1, "yref": "paper"}
            shapes.append(
                {**box, "fillcolor": "--bad-faint", "line": {"width": 0}, "layer": "below"}
            )
            start = None
    return shapes
