"""A small prepared dataset from the real writer, whose frames show which frame they are by colour.

Each speaker says each sentence in three emotions. The pair neutral-angry is accepted, the pair
neutral-happy rejected.
"""

import json
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from stccl_data.alignment.align import Alignment
from stccl_data.alignment.warping_path import frame_map
from stccl_data.clip import Clip
from stccl_data.dataset.card import write_card
from stccl_data.dataset.card_features import card_features
from stccl_data.dataset.counts import dataset_counts
from stccl_data.dataset.layout import INDEX, PROVENANCE, SCHEMA, SHARDS, STATS, part_key
from stccl_data.dataset.sample import PairRecord, clip_record, sample_content
from stccl_data.dataset.shard_writer import ShardFile, ShardWriter
from stccl_data.dataset.tables import write_clips, write_pairs
from stccl_data.face.track import Track
from stccl_data.media.audio import Audio, encode_flac
from stccl_data.media.jpeg import JpegSeries, encode_jpeg
from stccl_data.pairs.candidates import clip_name, utterance_key

#: emotion -> (level, number of frames)
EMOTIONS = {"neutral": (1, 12), "angry": (3, 15), "happy": (2, 10)}
#: emotion -> red of its frames; the green of frame i is 20 + 10 i
RED = {"neutral": 20, "angry": 120, "happy": 220}
SPEAKERS = {"train": ("M003", "W009"), "val": ("M005",)}
SENTENCES = ("s001", "s002")
FPS = Fraction(25)
RATE = 16_000
#: A rising tone, so that no two stretches are alike.
SOUND = (0.5 * np.sin(np.arange(8_000) / 20 * (1 + np.arange(8_000) / 8_000))).astype(np.float32)
CLIP_SCORES = {"face_rate": 11 / 12, "eye_distance": 80.0, "yaw": float("nan")}


@dataclass
class SmallDataset:
    """A dataset and what was written into it."""

    out: Path
    #: rows of clips.parquet
    clips: list[dict] = field(default_factory=list)
    #: rows of pairs.parquet
    pairs: list[dict] = field(default_factory=list)
    #: keys of the samples, in order
    keys: list[str] = field(default_factory=list)


def make_clip(speaker: str, emotion: str, sentence: str, path: str = "") -> Clip:
    """Return the clip of a speaker who says a sentence in an emotion."""
    level, n = EMOTIONS[emotion]
    return Clip(
        clip_id=f"mead/{speaker}/front/{emotion}-{level}/{sentence}-t001",
        corpus="mead",
        speaker=speaker,
        emotion=emotion,
        sentence=sentence,
        path=path or f"/raw/{speaker}/{emotion}/{sentence}.mp4",
        level=level,
        text="She had your dark suit.",
        fps=FPS,
        n_frames=n,
        width=640,
        height=480,
        duration_s=n / 25,
        audio_rate=RATE,
    )


def make_frame(emotion: str, i: int, size: int) -> np.ndarray:
    """Return a crop, (size, size, 3) uint8 RGB, that `identify_frame` recognises."""
    image = np.zeros((size, size, 3), np.uint8)
    image[..., 0], image[..., 1] = RED[emotion], 20 + 10 * i
    image[..., 2] = np.linspace(200, 0, size)  # blue falls to the right
    return image


def identify_frame(image: np.ndarray) -> tuple[str, int]:
    """Return the emotion and the frame number that a decoded crop shows."""
    red, green = image[..., 0].mean(), image[..., 1].mean()
    return min(RED, key=lambda emotion: abs(RED[emotion] - red)), round((green - 20) / 10)


def make_track(emotion: str, crops: bool = True) -> Track:
    """Return the track of a clip; frame 3 has no face."""
    n = EMOTIONS[emotion][1]
    eye = np.tile(np.eye(2, 3), (n, 1, 1))
    series = {
        crop: JpegSeries.from_jpegs(
            [encode_jpeg(make_frame(emotion, i, size), 95) for i in range(n)]
        )
        for crop, size in (("face", 64), ("mouth", 32))
    }
    return Track(
        times=np.arange(n) / 25 + 0.04,
        valid=np.arange(n) != 3,
        landmarks=np.random.default_rng(n).normal(320, 40, (n, 478, 2)).astype(np.float32),
        face_transforms=eye,
        mouth_transforms=eye * 0.5,
        presence=np.where(np.arange(n) != 3, 0.99, np.nan).astype(np.float32),
        blendshapes=np.where(np.arange(n)[:, None] != 3, np.linspace(0, 1, 52), np.nan).astype(
            np.float16
        ),
        face=series["face"] if crops else None,
        mouth=series["mouth"] if crops else None,
    )


def make_alignment(source: Track, target: Track) -> Alignment:
    """Return a linear alignment of two tracks."""
    source_time = np.array([0.0, source.times[-1] / 2, source.times[-1] + 0.04])
    target_time = source_time * (target.times[-1] + 0.04) / source_time[-1]
    return Alignment(
        source_time=source_time,
        target_time=target_time,
        frame_map=frame_map(source.times, target.times, source_time, target_time),
        frame_path=np.zeros((0, 2), np.int32),
        mode="audio",
        cost=0.5,
        duration_ratio=len(target) / len(source),
        longest_repeat=2,
        diagonal_fraction=0.9,
        local_slope=0.1,
    )


def make_dataset(
    out: Path,
    *,
    crops: bool = True,
    audio: bool = False,
    parts: bool = False,
    extra_row: bool = True,
    paths: dict[str, str] | None = None,
) -> SmallDataset:
    """Write the dataset.

    Args:
        out: folder for the dataset.
        crops: store crops.
        audio: store the sound.
        parts: store s001 of each speaker in two parts.
        extra_row: add a failed clip, and a pair with it that was never aligned.
        paths: emotion -> path of its clips.
    """
    dataset = SmallDataset(out)
    tracks = {emotion: make_track(emotion, crops) for emotion in EMOTIONS}
    flac = encode_flac(Audio(SOUND, RATE, 0.0)) if audio else None
    files: list[ShardFile] = []
    for split, speakers in SPEAKERS.items():
        writer = ShardWriter(out, split, 60_000)
        for speaker in speakers:
            for sentence in SENTENCES:
                clips = {
                    emotion: make_clip(speaker, emotion, sentence, (paths or {}).get(emotion, ""))
                    for emotion in EMOTIONS
                }
                divided = parts and sentence == "s001"
                _add_utterance(dataset, writer, split, clips, tracks, flac, divided)
        files += writer.close()
    if extra_row:
        _add_failed_clip(dataset)
    write_tables(out, dataset.clips, dataset.pairs)
    write_other_files(dataset, files)
    return dataset


def _add_utterance(
    dataset: SmallDataset,
    writer: ShardWriter,
    split: str,
    clips: dict[str, Clip],
    tracks: dict[str, Track],
    flac: bytes | None,
    divided: bool,
) -> None:
    """Write one utterance into the shards, and add its rows."""
    key = utterance_key(clips["neutral"])
    names = {emotion: clip_name(clip) for emotion, clip in clips.items()}
    place = {"utterance": key, "split": split}
    records = []
    for target in ("angry", "happy"):
        alignment = make_alignment(tracks["neutral"], tracks[target])
        reason = None if target == "angry" else "longest_repeat"
        records.append(pair_record(names, target, alignment, reason))
        dataset.pairs.append(pair_row(clips, names, place, records[-1], target))
    samples = [(list(EMOTIONS), records)]
    if divided:
        samples = [(["neutral", "angry"], records[:1]), (["neutral", "happy"], records[1:])]
    for number, (emotions, pairs) in enumerate(samples, 1):
        sample_key = part_key(key, number)
        members = {
            names[e]: clip_record(clips[e], CLIP_SCORES, tracks[e], tracks[e].times, flac)
            for e in emotions
        }
        content = sample_content(
            sample_key,
            members,
            pairs,
            part=number,
            parts=len(samples),
            crops=tracks["neutral"].face is not None,
            audio=flac is not None,
        )
        writer.add(sample_key, content)
        dataset.keys.append(sample_key)
    for emotion, clip in clips.items():
        rejected = emotion == "happy"
        state = {
            "state": "unpaired" if rejected else "paired",
            "reason": "longest_repeat" if rejected else None,
            "detail": None,
        }
        dataset.clips.append(
            {**clip.row(), **state, **place, "name": names[emotion], **CLIP_SCORES}
        )


def pair_record(
    names: dict[str, str], target: str, alignment: Alignment, reason: str | None
) -> PairRecord:
    """Return the pair of neutral and a target as it is written into a shard."""
    scores = {
        "mode": alignment.mode,
        "cost": alignment.cost,
        "content_score": None,
        "duration_ratio": alignment.duration_ratio,
        "longest_repeat": 2,
        "diagonal_fraction": 0.9,
        "local_slope": 0.1,
    }
    return PairRecord(names["neutral"], names[target], scores, reason is None, reason, alignment)


def pair_row(
    clips: dict[str, Clip],
    names: dict[str, str],
    place: dict[str, str],
    record: PairRecord,
    target: str,
) -> dict:
    """Return the row of the pair of neutral and a target in pairs.parquet."""
    source = clips["neutral"]
    return {
        "source": source.clip_id,
        "target": clips[target].clip_id,
        **place,
        "source_name": names["neutral"],
        "target_name": names[target],
        "speaker": source.speaker,
        "sentence": source.sentence,
        "source_emotion": "neutral",
        "target_emotion": target,
        **record.scores,
        "accepted": record.accepted,
        "reason": record.reason,
        "detail": None,
    }


def _add_failed_clip(dataset: SmallDataset) -> None:
    """Add the rows of a clip without a face, and of the pair that it would have been in."""
    source = dataset.clips[0]
    clip_id = "mead/M003/front/angry-3/s001-t002"
    failed = replace(make_clip("M003", "angry", "s001"), clip_id=clip_id, take=2)
    place = {"split": "train", "utterance": source["utterance"]}
    dataset.clips.append(
        {
            **failed.row(),
            **place,
            "state": "failed",
            "reason": "no_face",
            "detail": "no face",
            "name": "angry-3-t002",
            **dict.fromkeys(CLIP_SCORES),
        }
    )
    dataset.pairs.append(
        {
            **dict.fromkeys(dataset.pairs[0]),
            **place,
            "source": source["clip_id"],
            "target": clip_id,
            "source_name": source["name"],
            "target_name": "angry-3-t002",
            "speaker": "M003",
            "sentence": "s001",
            "source_emotion": "neutral",
            "target_emotion": "angry",
            "accepted": False,
            "reason": "partner_failed",
        }
    )


def write_other_files(dataset: SmallDataset, files: list[ShardFile]) -> None:
    """Write what a dataset has beside its shards and tables."""
    out = dataset.out
    shards = {"schema": SCHEMA, "fingerprint": "0", "shards": [file.row() for file in files]}
    (out / SHARDS).write_text(json.dumps(shards))
    lines = (json.dumps(line) + "\n" for file in files for line in file.index)
    (out / INDEX).write_text("".join(lines))
    counts = dataset_counts(dataset.clips, dataset.pairs, shards["shards"])
    (out / STATS).write_text(json.dumps(counts))
    (out / PROVENANCE).write_text("{}")
    write_card(out, "mead", counts, card_features(out), {})


def write_tables(out: Path, clips: list[dict], pairs: list[dict]) -> None:
    """Write both tables."""
    write_clips(out, clips)
    write_pairs(out, pairs)
