"""Damaged media through the worker that extracts them: each ends as a clip or with a recorded reason, in time and under its cap.

`make fuzz` does two thousand; STCCL_FUZZ=N does N, STCCL_SEED=N others.
"""

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from stccl_data.clip import Clip
from stccl_data.errors import Reason
from stccl_data.executors import Setup, Unit, run
from stccl_data.face.crop_config import CropConfig
from stccl_data.landmarks import LandmarkConfig
from stccl_data.media.audio import read_audio
from stccl_data.media.container import probe
from stccl_data.media.video import read_frames
from stccl_data.pipeline.tasks import ExtractOptions, extract_unit

COUNT = int(os.environ.get("STCCL_FUZZ", "60"))
SEED = int(os.environ.get("STCCL_SEED", "0"))

#: Name -> how `studio.record` makes it.
FORMS = {
    "h264.mp4": {},
    "h264.mkv": {},
    "mpeg4.avi": {"codec": "mpeg4", "audio_codec": "pcm_s16le"},
    "mjpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "audio_codec": "pcm_s16le"},
    "vp8.webm": {"codec": "libvpx", "audio_codec": "libopus", "rate": 48_000},
    "flv1.flv": {"codec": "flv1", "audio_codec": "pcm_s16le", "rate": 44_100},
    "sound.wav": {"audio_codec": "pcm_s16le"},
    "sound.flac": {"audio_codec": "flac"},
}


def flipped(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 4, 50])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def flipped_in_the_header(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 2, 8])):
        data[rng.randrange(min(len(data), 800))] = rng.randrange(256)


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(1, len(data)) :]


def without_a_middle(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    del data[start : start + rng.randrange(1, 2000)]


def zeroed(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    stop = min(len(data), start + rng.randrange(1, 4000))
    data[start:stop] = bytes(stop - start)


def huge_numbers(data: bytearray, rng: random.Random) -> None:
    """Sizes and counts stand in four bytes: one of them becomes as large as can be."""
    start = rng.randrange(min(len(data) - 4, 1200))
    data[start : start + 4] = rng.choice(
        [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\xff\xff"]
    )


def with_the_head_of_another(data: bytearray, rng: random.Random, heads: list[bytes]) -> None:
    head = rng.choice(heads)[: rng.choice([16, 64, 600])]
    data[: len(head)] = head


@pytest.fixture(scope="module")
def whole(corpus, studio, tmp_path_factory) -> dict[str, bytes]:
    """A few frames of a face and a voice in every form; each by itself can be read."""
    source = corpus.folder / corpus.clips[0].path
    frames = [frame.image for frame in read_frames(source)][4:12]
    sound = read_audio(source, rate=48_000).samples[12_000:44_000]
    folder = tmp_path_factory.mktemp("whole")
    made = {}
    for name, form in FORMS.items():
        rate = form.get("rate", 16_000)
        pictures = [] if name.startswith("sound") else frames
        path = studio.record(
            folder / name, pictures, sound[:: 48_000 // rate], **{"fps": 15, "rate": rate, **form}
        )
        assert probe(path)
        made[name] = path.read_bytes()
    return made


def test_every_damaged_file_ends_as_a_clip_or_with_a_reason(whole, tmp_path):
    rng = random.Random(SEED)
    heads = [content[:600] for content in whole.values()]
    plan = ExtractOptions(
        LandmarkConfig(), CropConfig(face_size=64, mouth_size=32), "if_silent", audio=True
    )
    units = []
    for i in range(COUNT):
        name = rng.choice(list(whole))
        data = bytearray(whole[name])
        change = rng.choice(
            [
                flipped,
                flipped_in_the_header,
                cut,
                without_a_middle,
                zeroed,
                huge_numbers,
                with_the_head_of_another,
            ]
        )
        change(data, rng, *([heads] if change is with_the_head_of_another else []))
        path = tmp_path / f"{i}-{change.__name__}-{name}"
        path.write_bytes(data)
        clip = Clip(
            clip_id=str(i), corpus="own", speaker="a", emotion="sad", sentence="1", path=str(path)
        )
        # every other one has its pictures followed, whether or not it can be heard
        chosen = plan if i % 2 else ExtractOptions(plan.landmarks, plan.crops, "always", audio=True)
        units.append(
            Unit(str(path), (clip, str(tmp_path / "work" / f"{i}.npz"), chosen), timeout_s=120.0)
        )
    outcomes = list(run(units, extract_unit, Setup(count=2, memory_mb=2048)))
    assert len(outcomes) == COUNT
    bugs = [outcome.detail for outcome in outcomes if outcome.reason is Reason.INTERNAL_ERROR]
    assert not bugs, "\n\n".join(bugs[:5])
    for outcome in outcomes:
        artefact = Path(outcome.unit.args[1])
        assert artefact.exists() == (outcome.reason is None), "an artefact says that a clip is done"
        if outcome.reason is not None:
            assert outcome.unit.name in outcome.detail
    counts = Counter(str(outcome.reason or "result") for outcome in outcomes)
    print(
        f"{COUNT} damaged files: {', '.join(f'{n} {reason}' for reason, n in counts.most_common())}"
    )
    assert len(counts) > 2, "the damage is of more than one kind"
    assert not list((tmp_path / "work").glob(".*")), "nothing half-written is left"
