"""Damaged files through the extraction worker: each becomes a clip or gets a reason, in time.

`make fuzz` runs two thousand files; STCCL_FUZZ sets their number, STCCL_SEED the damage.
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
from tests.testing.media import record

COUNT = int(os.environ.get("STCCL_FUZZ", "60"))
SEED = int(os.environ.get("STCCL_SEED", "0"))

#: File name -> how `record` makes it.
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


def flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 4, 50])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def change_header(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 2, 8])):
        data[rng.randrange(min(len(data), 800))] = rng.randrange(256)


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(1, len(data)) :]


def remove_middle(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    del data[start : start + rng.randrange(1, 2000)]


def zero_range(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    stop = min(len(data), start + rng.randrange(1, 4000))
    data[start:stop] = bytes(stop - start)


def enlarge_number(data: bytearray, rng: random.Random) -> None:
    """Make a size or count of four bytes as large as possible."""
    start = rng.randrange(min(len(data) - 4, 1200))
    data[start : start + 4] = rng.choice(
        [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\xff\xff"]
    )


DAMAGES = [flip_bits, change_header, truncate, remove_middle, zero_range, enlarge_number]


@pytest.fixture(scope="module")
def originals(corpus, tmp_path_factory) -> dict[str, bytes]:
    """A few frames of a face and a voice in every form; each is readable."""
    source = corpus.folder / corpus.clips[0].path
    frames = [frame.image for frame in read_frames(source)][4:12]
    samples = read_audio(source, rate=48_000).samples[12_000:44_000]
    folder = tmp_path_factory.mktemp("originals")
    files = {}
    for name, form in FORMS.items():
        settings = {"fps": 15, "rate": 16_000, **form}
        images = [] if name.startswith("sound") else frames
        sound = samples[:: 48_000 // settings["rate"]]
        path = record(folder / name, images, sound, **settings)
        assert probe(path)
        files[name] = path.read_bytes()
    return files


def damage_file(originals: dict[str, bytes], rng: random.Random) -> tuple[str, bytes]:
    """Return the name and the content of a damaged file."""
    name = rng.choice(list(originals))
    data = bytearray(originals[name])
    damage = rng.choice([*DAMAGES, None])
    if damage is None:
        head = rng.choice(list(originals.values()))[: rng.choice([16, 64, 600])]
        data[: len(head)] = head
        return f"other_head-{name}", bytes(data)
    damage(data, rng)
    return f"{damage.__name__}-{name}", bytes(data)


def make_unit(i: int, path: Path, folder: Path) -> Unit:
    """Return the unit of work that extracts a file."""
    tracking = "if_silent" if i % 2 else "always"
    crops = CropConfig(face_size=64, mouth_size=32)
    options = ExtractOptions(LandmarkConfig(), crops, tracking, audio=True)
    clip = Clip(
        clip_id=str(i), corpus="own", speaker="a", emotion="sad", sentence="1", path=str(path)
    )
    return Unit(str(path), (clip, str(folder / f"{i}.npz"), options), timeout_s=120.0)


@pytest.mark.slow
def test_every_damaged_file_becomes_a_clip_or_gets_a_reason(originals, tmp_path):
    rng = random.Random(SEED)
    units = []
    for i in range(COUNT):
        name, content = damage_file(originals, rng)
        path = tmp_path / f"{i}-{name}"
        path.write_bytes(content)
        units.append(make_unit(i, path, tmp_path / "work"))
    outcomes = list(run(units, extract_unit, Setup(count=2, memory_mb=2048)))
    assert len(outcomes) == COUNT
    bugs = [outcome.detail for outcome in outcomes if outcome.reason is Reason.INTERNAL_ERROR]
    assert not bugs, "\n\n".join(bugs[:5])
    for outcome in outcomes:
        artefact = Path(outcome.unit.args[1])
        assert artefact.exists() == (outcome.reason is None), (
            "an artefact means that a clip is done"
        )
        if outcome.reason is not None:
            assert outcome.unit.name in outcome.detail
    counts = Counter(str(outcome.reason or "extracted") for outcome in outcomes)
    listing = ", ".join(f"{n} {reason}" for reason, n in counts.most_common())
    print(f"{COUNT} damaged files: {listing}")
    assert len(counts) > 2, "the damage is of more than one kind"
    assert not list((tmp_path / "work").glob(".*")), "no temporary file is left"
