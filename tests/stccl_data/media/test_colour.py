"""HDR and wide-gamut video looks like its SDR version, computed here in the other direction."""

import av
import cv2
import numpy as np
import pytest

from stccl_data.media.colour import Colours, nits_to_pq, pq_to_nits, to_sdr
from stccl_data.media.video import read_frames

#: Linear BT.709 to BT.2020 (ITU-R BT.2087, table 2) and to Display P3.
TO_2020 = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
TO_P3 = [[0.8225, 0.1775, 0.0], [0.0332, 0.9668, 0.0], [0.0171, 0.0724, 0.9105]]
BT2020, P3 = 9, 12  # primaries
PQ, HLG, BT709 = 16, 18, 1  # transfer characteristics


def scene(brightest: float = 1.0) -> np.ndarray:
    """Return smooth colours as in skin, cloth and shadows, (64, 96, 3) in [0.1, brightest]."""
    y, x = np.mgrid[0:1:64j, 0:1:96j]
    tint = 0.12 * np.stack([np.sin(5 * x + 2 * y), np.sin(4 * y - 3 * x), np.cos(4 * x)], -1)
    return np.clip((0.2 + 0.6 * x)[..., None] + tint, 0.1, brightest)


def to_hlg(sdr: np.ndarray) -> np.ndarray:
    """Return what an HLG camera makes of a scene: SDR white is 75 % of the signal (BT.2408)."""
    light = sdr**2.4 @ np.transpose(TO_2020) * 203 / 1000
    light = light ** (1 / 1.2)  # at the camera
    log = 0.17883277 * np.log(np.maximum(12 * light - 0.28466892, 1e-9)) + 0.55991073
    return np.where(light <= 1 / 12, np.sqrt(3 * light), log)


def to_pq(sdr: np.ndarray) -> np.ndarray:
    """Return the signal of an HDR10 master in which SDR white is 203 nits."""
    power = (sdr**2.4 @ np.transpose(TO_2020) * 203 / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def to_p3(sdr: np.ndarray) -> np.ndarray:
    return (sdr**2.4 @ np.transpose(TO_P3)) ** (1 / 2.4)


def to_2020(sdr: np.ndarray) -> np.ndarray:
    return (sdr**2.4 @ np.transpose(TO_2020)) ** (1 / 2.4)


def write(path, signal, transfer, primaries, *, codec="ffv1", pix_fmt="yuv444p10le", n=2):
    """Write R'G'B' in [0, 1] as limited-range BT.2020 (BT.709 for other primaries) video."""
    red, blue = (0.2627, 0.0593) if primaries == BT2020 else (0.2126, 0.0722)
    luma = signal @ [red, 1 - red - blue, blue]
    chroma = [(signal[..., 2] - luma) / (1 - blue) / 2, (signal[..., 0] - luma) / (1 - red) / 2]
    planes = [64 + 876 * luma, 512 + 896 * chroma[0], 512 + 896 * chroma[1]]
    deep = np.stack([np.round(plane).astype(np.uint16) for plane in planes])
    with av.open(str(path), "w") as output:
        options = {"crf": "4"} if codec == "libx264" else {}
        stream = output.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *signal.shape[:2], pix_fmt
        context = stream.codec_context
        context.color_primaries, context.color_trc = primaries, transfer
        context.colorspace, context.color_range = (9 if primaries == BT2020 else 1), 1
        for _ in range(n):
            frame = av.VideoFrame(*signal.shape[1::-1], "yuv444p10le")
            for plane, values in zip(frame.planes, deep, strict=True):
                rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
                rows[:, : plane.width] = values
                plane.update(rows.tobytes())
            frame.colorspace, frame.color_range = context.colorspace, 1
            frame.color_trc, frame.color_primaries = transfer, primaries
            output.mux(stream.encode(frame.reformat(format=pix_fmt)))
        output.mux(stream.encode())
    return path


KINDS = {
    "HLG tone-mapped to SDR": (to_hlg, HLG, BT2020),
    "PQ tone-mapped to SDR": (to_pq, PQ, BT2020),
    "Display P3 colours converted to BT.709": (to_p3, BT709, P3),
    "BT.2020 colours converted to BT.709": (to_2020, 14, BT2020),
}


@pytest.mark.parametrize("note", KINDS)
def test_below_the_highlights_every_pixel_is_that_of_the_sdr_version(tmp_path, note):
    convert, transfer, primaries = KINDS[note]
    sdr = scene(brightest=0.7)
    frame = list(read_frames(write(tmp_path / "a.mkv", convert(sdr), transfer, primaries)))[1]
    assert frame.notes == (note,)
    difference = np.abs(frame.image - 255 * sdr)
    assert difference.max() < 4 and difference.mean() < 0.7


@pytest.mark.parametrize("note", list(KINDS)[:2])
def test_hdr_from_a_phone_keeps_contrast_and_saturation(tmp_path, note):
    convert, transfer, primaries = KINDS[note]
    sdr = scene()
    path = tmp_path / "a.mp4"
    write(path, convert(sdr), transfer, primaries, codec="libx264", pix_fmt="yuv420p10le")
    image = next(read_frames(path)).image
    expected = np.round(255 * sdr).astype(np.uint8)
    for measure in (contrast, saturation):
        assert measure(image) == pytest.approx(measure(expected), rel=0.08)
    washed_out = np.round(255 * convert(sdr)).astype(np.uint8)
    assert contrast(washed_out) < 0.85 * contrast(expected)


def contrast(image: np.ndarray) -> float:
    return float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).std())


def saturation(image: np.ndarray) -> float:
    return float(cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 1].mean())


def test_highlights_are_compressed_as_bt_2390_says():
    grey = np.array([0.0, 50.0, 92.0, 203.0, 400.0, 1000.0, 4000.0])
    mapped = 203 * to_sdr(np.repeat(nits_to_pq(grey)[:, None], 3, 1), Colours(PQ, BT2020)) ** 2.4
    # by hand from the EETF with E1 = PQ(nits) / PQ(1000), maxLum = 0.772 and the knee at 0.658
    expected = [0.0, 50.0, 92.0, 158.9, 193.6, 203.0, 203.0]
    np.testing.assert_allclose(mapped[:, 1], expected, rtol=0.01, atol=0.02)


def test_highlights_keep_their_hue():
    warm = np.array([[600.0, 300.0, 150.0]])
    mapped = to_sdr(nits_to_pq(warm @ np.transpose(TO_2020)), Colours(PQ, BT2020))[0] ** 2.4
    np.testing.assert_allclose(mapped / mapped[0], [1, 0.5, 0.25], atol=0.01)


def test_colours_outside_the_gamut_lose_saturation_not_luminance():
    green = to_sdr(np.array([0.0, 0.5, 0.0]), Colours(0, BT2020)) ** 2.4
    assert green.min() == 0 and green.argmax() == 1
    assert green @ [0.2126, 0.7152, 0.0722] == pytest.approx(0.678 * 0.5**2.4, rel=0.01)


def test_pq_has_the_values_of_its_standard():
    assert pq_to_nits(np.array(0.5)) == pytest.approx(92.25, abs=0.01)  # BT.2100 and ST 2084
    assert nits_to_pq(np.array(203.0)) == pytest.approx(0.5807, abs=1e-4)  # BT.2408, 58 %
    assert pq_to_nits(np.array(1.0)) == pytest.approx(10_000)


def test_ordinary_video_is_not_converted(clip):
    assert next(read_frames(clip)).notes == ()
