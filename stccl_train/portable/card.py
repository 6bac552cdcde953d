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
| `mouth` | (B, 4) | x0, y0, x1, y1 of the mouth as shares of the frame |

The programs return two tensors of shape (B,). `value`: how far tokens at the mouth are from their
partners in the source; 1 is chance{aligned}. `loss`: the same times how much the source's pixels
there vary, to be minimised.

## As a loss

```python
import torch

metric = torch.export.load("metric.pt2").module()
source = torch.rand(2, {frames}, 3, {size}, {size}) * 2 - 1
generated = (torch.rand(2, {frames}, 3, {size}, {size}) * 2 - 1).requires_grad_()
mouth = torch.tensor([[0.3, 0.55, 0.7, 0.9]]).repeat(2, 1)

value, loss = metric(source, generated, torch.rand(2, {numbers}), mouth)
(0.3 * loss.mean()).backward(){pull}
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
        pull="  # pulls 0.3 times as hard as a mean L1" if calibrated else "",
    )
