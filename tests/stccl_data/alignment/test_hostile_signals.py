"""Signals of arbitrary content: they are aligned, or rejected with a reason."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stccl_data.alignment.align import AlignConfig, align
from stccl_data.errors import ClipError
from stccl_data.features.mouth import mouth_features
from stccl_data.features.signals import Signals
from stccl_data.features.speech import speech_features

ODD = st.floats(width=32) | st.sampled_from(
    [0.0, 1.0, -1.0, float("nan"), float("inf"), 1e-38, 3e38]
)
SOUND = st.one_of(
    arrays(np.float32, st.integers(0, 40), elements=ODD).map(lambda a: np.repeat(a, 400)),
    st.integers(0, 2**32 - 1).map(
        lambda seed: np.random.default_rng(seed).normal(size=24_000).astype(np.float32) * 0.1
    ),
    st.just(np.zeros(16_000, np.float32)),
)
CLOCK = st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.integers(0, 60)).map(
    lambda c: c[0] + c[1] * np.arange(c[2])
)


@st.composite
def signals(draw) -> Signals:
    """Signals of a clip with an arbitrary sound, face and clock."""
    with np.errstate(all="ignore"):
        rate, start = (
            draw(st.sampled_from([8_000, 16_000, 44_100])),
            draw(st.sampled_from([0.0, -3.0, 1e5])),
        )
        speech = speech_features(draw(SOUND), rate, start)
    clock = draw(CLOCK)
    mouth = None
    if len(clock) and draw(st.booleans()):
        spread = draw(st.sampled_from([0, 1, 1e6]))
        points = np.random.default_rng(draw(st.integers(0, 99))).normal(
            300, spread, (len(clock), 68, 2)
        )
        points[draw(st.integers(0, len(clock))) :] = draw(ODD)
        with np.errstate(all="ignore"):
            mouth = mouth_features(
                points, clock, np.arange(len(clock)) % draw(st.integers(1, 5)) == 0
            )
    return Signals(speech, mouth, frame_times=clock, name="clip.mp4")


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(signals(), signals(), st.sampled_from(["audio", "visual", "both", "auto"]))
def test_arbitrary_signals_are_aligned_or_rejected_with_a_reason(source, target, mode):
    try:
        with np.errstate(all="ignore"):
            alignment = align(source, target, AlignConfig(mode=mode))
    except ClipError as error:
        assert "clip.mp4" in error.detail and error.reason.advice
        return
    assert np.isfinite(alignment.source_time).all() and (np.diff(alignment.source_time) > 0).all()
    assert np.isfinite(alignment.target_time).all() and (np.diff(alignment.target_time) >= 0).all()
    mapped = alignment.frame_map[alignment.frame_map >= 0]
    assert len(alignment.frame_map) == len(source.frame_times)
    assert (np.diff(mapped) >= 0).all()
    assert (alignment.frame_map[len(mapped) :] == -1).all()
    inside = -1 if not len(target.frame_times) else len(target.frame_times) - 1
    assert not len(alignment.frame_map) or (
        alignment.frame_map.min() >= -1 and alignment.frame_map.max() <= inside
    )
