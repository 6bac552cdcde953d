"""The trained metric: spatial and temporal coherent correlation (SCC, TCC) at the mouth."""

from pathlib import Path

import torch

from stccl_train.eval.frame_scores import ClipFeatures, score_frames
from stccl_train.measures.definitions import Measure, Values
from stccl_train.measures.matched_pair import MatchedPair
from stccl_train.measures.measured_clip import MeasuredClip
from stccl_train.model.export import load_metric


class Stccl:
    """SCC and TCC of the frames that belong together, as `stccl score` computes them.

    - `scc_recall`, `tcc_recall` (R@1): how often a token of the source's mouth finds its partner
      in the generated clip before all other places (TCC: and times). 0 to 1, chance is 1 over the
      candidates, higher is better.
    - `scc`, `tcc`: mean cosine of partners. -1 to 1, higher is better, but faces built alike score
      high whatever they say: quote it over its controls alone. There it separates genuine pairs
      from others more clearly than R@1 (docs/evaluation.md).

    STCCL (Chen et al., arXiv 2604.20226), sections 3.2 and 3.3.
    """

    group = "stccl"
    measures: tuple[Measure, ...] = (
        Measure("scc_recall", "SCC R@1", "higher", has_margin=True, has_gain=True),
        Measure("tcc_recall", "TCC R@1", "higher", has_margin=True, has_gain=True),
        Measure("scc", "SCC cosine", "higher", has_margin=True, has_gain=True),
        Measure("tcc", "TCC cosine", "higher", has_margin=True, has_gain=True),
    )

    def __init__(self, run: str | Path, device: torch.device) -> None:
        """Load a metric.

        Args:
            run: the folder that `stccl train` wrote.
            device: where to compute.

        Raises:
            MetricError: no usable metric in ``run``.
        """
        self._metric = load_metric(run).to(device).eval()

    def measure(self, pair: MatchedPair) -> Values:
        """See `Instrument.measure`."""
        key = f"stccl {pair.generated.path} {hash(pair.frame_map.tobytes())}"
        if key not in pair.source.features:  # a control is compared in each emotion
            pair.source.features[key] = self._score(pair)
        values: Values = pair.source.features[key]
        return values

    def _score(self, pair: MatchedPair) -> Values:
        source, generated = self._features(pair.source), self._features(pair.generated)
        scores = score_frames(self._metric, source, generated, pair.frame_map, overlap=1)
        if scores is None:
            return {}
        return {name: value for name, value in scores.means.items() if value is not None}

    def _features(self, clip: MeasuredClip) -> ClipFeatures:
        features = clip.features.setdefault("stccl", ClipFeatures(self._metric, clip.tracked()))
        assert isinstance(features, ClipFeatures)
        return features
