"""Interlaced recordings come out progressive: a moving picture, woven here from its fields."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.filter import Graph

from stccl_data.media.video import read_frames
from tests.testing.media import record

N = 12


def moving(step: float) -> np.ndarray:
    """Return a disc on a gradient, moved to the right by `step` pixels, (96, 128, 3) uint8."""
    y, x = np.mgrid[0:96, 0:128].astype(float)
    disc = np.clip(30 - np.hypot(x - 30 - step, y - 48), 0, 1)
    return np.stack([(60 + x / 2) * (1 - disc) + 220 * disc] * 3, -1).round().astype(np.uint8)


def interlaced(path, *, top_first: bool = True, flag: str | None = "right"):
    """Write N frames at 25 fps whose fields are 20 ms apart; the disc moves 3 pixels a field.

    Args:
        path: file to write.
        top_first: whether the top field is the first one.
        flag: "right", "wrong" (the other field order), or None for frames flagged as progressive.
    """
    order = (0, 1) if top_first else (1, 0)
    field_order = "prog" if flag is None else "tff" if top_first == (flag == "right") else "bff"
    flagged = Graph()  # PyAV cannot set the flag of a frame
    flagged.link_nodes(
        flagged.add_buffer(
            width=128, height=96, format=av.VideoFormat("yuv422p"), time_base=Fraction(1, 25)
        ),
        flagged.add("setfield", field_order),
        flagged.add("buffersink"),
    ).configure()
    with av.open(str(path), "w") as output:
        options = {"crf": "4", "bf": "2"} | ({"flags": "+ildct+ilme"} if flag else {})
        stream = output.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv422p"
        for i in range(N):
            image = np.empty((96, 128, 3), np.uint8)
            for field, row in enumerate(order):
                image[row::2] = moving(6 * i + 3 * field)[row::2]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv422p")
            flagged.vpush(frame)
            frame = flagged.vpull()
            frame.pts, frame.time_base = i, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def combing(image: np.ndarray) -> float:
    """Return how much neighbouring lines differ beside those two apart."""
    luma = image[..., 1].astype(float)
    return float(np.abs(np.diff(luma, axis=0)).mean() / np.abs(luma[2:] - luma[:-2]).mean())


@pytest.mark.parametrize("top_first", [True, False])
@pytest.mark.parametrize("flag", ["right", "wrong", None])
def test_fields_become_frames_at_the_times_of_the_first_field(tmp_path, top_first, flag):
    frames = list(read_frames(interlaced(tmp_path / "i.mp4", top_first=top_first, flag=flag)))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(N) / 25, atol=1e-6)
    for i, frame in enumerate(frames[1:-1], 1):
        expected = moving(6 * i)
        assert combing(frame.image) < 1.2 * combing(expected)
        error = np.abs(frame.image.astype(int) - expected).mean()
        assert error < 2
        assert all(
            np.abs(frame.image.astype(int) - moving(6 * i + step)).mean() > error
            for step in (-6, -3, 3, 6)
        )
    unflagged = "interlaced frames without a flag deinterlaced"
    assert frames[-1].notes == ("interlaced frames deinterlaced" if flag else unflagged,)


def test_the_frames_were_combed(tmp_path):
    with av.open(str(interlaced(tmp_path / "i.mp4"))) as container:
        frames = list(container.decode(video=0))
    assert all(frame.interlaced_frame for frame in frames)
    assert combing(frames[5].to_ndarray(format="rgb24")) > 1.6 * combing(moving(0))


def test_progressive_frames_stay_as_they_are(tmp_path):
    images = [moving(6 * i) for i in range(N)]
    path = record(
        tmp_path / "p.mkv", images, codec="libx264rgb", pix_fmt="rgb24", options={"qp": "0"}
    )
    frames = list(read_frames(path))
    assert frames[-1].notes == ()
    np.testing.assert_array_equal([frame.image for frame in frames], images)


def test_progressive_frames_flagged_as_interlaced_keep_all_their_lines(tmp_path):
    """As cameras write them that record 25 whole pictures a second into an interlaced format."""
    images = [moving(6 * i) for i in range(N)]
    plain = record(tmp_path / "p.mp4", images, options={"qp": "4"})
    flagged = record(
        tmp_path / "f.mp4", images, options={"flags": "+ildct+ilme", "qp": "4", "weightp": "0"}
    )
    with av.open(str(flagged)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    frames = list(read_frames(flagged))
    assert frames[-1].notes == ("progressive frames flagged as interlaced kept",)
    for kept, expected in zip(frames, read_frames(plain), strict=True):
        assert np.abs(kept.image.astype(int) - expected.image).mean() < 1


def test_a_flag_counts_where_nothing_moves(tmp_path):
    still = [moving(0)] * N
    path = record(tmp_path / "f.mp4", still, options={"flags": "+ildct+ilme"})
    assert list(read_frames(path))[-1].notes == ("interlaced frames deinterlaced",)


def test_the_mouth_of_a_face_does_not_look_interlaced(real):
    for path in sorted((real / "grid").rglob("*.mpg"))[:2]:
        assert list(read_frames(path))[-1].notes == ()


def test_a_recording_that_turns_interlaced_keeps_every_frame(tmp_path):
    """Two MPEG-TS recordings joined end to end, the first one progressive and of another size."""
    first = record(tmp_path / "a.ts", [np.full((64, 96, 3), 90, np.uint8)] * 5, pix_fmt="yuv422p")
    second = interlaced(tmp_path / "b.ts")
    (tmp_path / "c.ts").write_bytes(first.read_bytes() + second.read_bytes())
    frames = list(read_frames(tmp_path / "c.ts"))
    assert len(frames) == 5 + N and {frame.image.shape for frame in frames} == {(64, 96, 3)}
    assert combing(frames[10].image) < 1.3 * combing(frames[10].image[::-1])
    assert frames[-1].notes == (
        "interlaced frames deinterlaced",
        "frames of several sizes scaled to the first",
    )
