"""The model card of an exported metric: what it is, and how it is used."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stccl_train.loss.scale import verdict_lines
from stccl_train.portable.program import PortableMetric

_CARD = """---
library_name: pytorch
tags: [talking-face, facial-expression-manipulation, speech-preservation, metric]
---

# Spatial and temporal coherent correlation of talking faces

Says how well a generated talking face keeps the local facial animation, and so the speech, of its
source. Trained by `stccl train` (STCCL, arXiv 2604.20226).

- Trained on {data}.
- Verdict: {verdict}

## Files

| file | |
|---|---|
| `metric.pt2` | program for `torch.export.load`, with gradient |
| `metric.onnx` | the same for ONNX runtimes |
| `metric.safetensors`, `metric.json` | weights, and the configuration they belong to |

On noise the programs differ from the metric by at most {program:.1e} and {onnx:.1e}.

## Inputs and results

| name | shape | |
|---|---|---|
| `source` | (B, {frames}, 3, {size}, {size}) | RGB in [-1, 1], {interval:g} s from frame to frame, faces aligned |
| `generated` | the same | the manipulated frames; the gradient goes here, to the pixels at the mouth |
| `random` | (B, {numbers}) | uniform from 0 to 1, which decides where tokens are read: new numbers for each step of a training |
| `mouth` | (B, 4) | x0, y0, x1, y1 of the mouth as shares of the frame, not in pixels: `mouth_box` below |

The programs return two tensors of shape (B,). `value`: how far tokens at the mouth are from their
partners in the source; 1 is chance{aligned}. `loss`: the same times how much the source's pixels
there vary, to be minimised. A `mouth` without any pixel, as of a window without a face, lets the
whole frame count; one in pixels makes both NaN.

## Frames and mouth

The metric knows frames and boxes made like this. Other boxes, as one without the margin, and other
ways to resize give other values.

```python
import torch
from torch.nn import functional


# The middle square of frames (B, T, 3, H, W) in [-1, 1], resized.
def fit(frames):
    height, width = frames.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = frames[..., top : top + side, left : left + side].clamp(-1, 1).flatten(0, 1)
    resized = functional.interpolate(square, ({size}, {size}), mode="bilinear", antialias=True)
    return resized.unflatten(0, frames.shape[:2])


# `mouth`: the box of the lips over all frames, and a quarter of its extent more at each side.
# points: (B, T, 68, 2), iBUG landmarks x, y of the source, in pixels of frames of this height and
# width (before `fit`), NaN in frames without a face.
def mouth_box(points, height, width):
    side = min(height, width)
    cut = points.new_tensor([(width - side) // 2, (height - side) // 2])
    lips = ((points[:, :, 48:68] - cut) / side).flatten(1, 2)
    low = torch.where(lips.isnan(), torch.inf, lips).amin(1)
    high = torch.where(lips.isnan(), -torch.inf, lips).amax(1)
    margin = (high - low) / 4
    return torch.cat([low - margin, high + margin], dim=-1).float()
```

## As a loss

With the functions above:

```python
metric = torch.export.load("metric.pt2").module()
source = torch.rand(2, {frames}, 3, 240, 320) * 2 - 1  # your frames and landmarks
generated = (torch.rand(2, {frames}, 3, 240, 320) * 2 - 1).requires_grad_()
points = torch.rand(2, {frames}, 68, 2) * 80 + 120

mouth = mouth_box(points, 240, 320)
value, loss = metric(fit(source), fit(generated), torch.rand(2, {numbers}), mouth)
(1.0 * loss.mean()).backward(){pull}
```

## As a score

```python
import numpy
import onnxruntime

session = onnxruntime.InferenceSession("metric.onnx")
rng = numpy.random.default_rng(0)
shape = (2, {frames}, 3, {size}, {size})
value, loss = session.run(
    None,
    {{
        "source": rng.uniform(-1, 1, shape).astype("float32"),
        "generated": rng.uniform(-1, 1, shape).astype("float32"),
        "random": rng.uniform(0, 1, (2, {numbers})).astype("float32"),
        "mouth": numpy.array([[0.3, 0.55, 0.7, 0.9]] * 2, "float32"),
    }},
)
```
"""


def model_card(
    run: Path, model: PortableMetric, card: Mapping[str, Any], differences: Mapping[str, float]
) -> str:
    """Return the README.md of an exported metric.

    Args:
        run: its run, whose evaluations say what it hears.
        model: what was exported.
        card: what the run says of itself, from metric.json.
        differences: of the programs from the metric, by file.
    """
    config, data = model.metric.config, card.get("data") or {}
    speakers = ", ".join(data.get("speakers", ())) or "unknown speakers"
    calibrated = model.scale.stretch != 1.0
    return _CARD.format(
        data=f"{data.get('utterances', 'unknown')} utterances of {speakers}",
        verdict=" ".join(verdict_lines(run)) or "not evaluated (`stccl eval`).",
        program=differences["metric.pt2"],
        onnx=differences["metric.onnx"],
        frames=config.frames,
        size=config.size,
        interval=config.interval,
        numbers=model.numbers,
        aligned=", 0.5 what aligned real frames have on average" if calibrated else "",
        pull="  # weight 1 pulls as hard as a mean L1" if calibrated else "",
    )
