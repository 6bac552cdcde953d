"""A small prepared dataset, written by the real writer: pictures whose colour says which frame of which emotion they are."""

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stccl_data.alignment.align import Alignment
from stccl_data.alignment.warping_path import frame_map
from stccl_data.clip import Clip
from stccl_data.dataset.layout import CARD, CLIPS, INDEX, PAIRS, PROVENANCE, SHARDS, STATS
from stccl_data.dataset.shard_writer import PairRecord, ShardWriter, clip_members, sample_members
from stccl_data.face.track import Track
from stccl_data.media.audio import Audio, encode_flac
from stccl_data.media.jpeg import JpegSeries, encode_jpeg
from stccl_data.pairs.candidates import clip_name, utterance_key

#: emotion -> (level, frames); the red of a picture is RED[emotion], its green 20 + 10 i for frame i.
EMOTIONS = {"neutral": (1, 12), "angry": (3, 15), "happy": (2, 10)}
RED = {"neutral": 20, "angry": 120, "happy": 220}
SPEAKERS = {"train": ("M003", "W009"), "val": ("M005",)}
SENTENCES = ("s001", "s002")
FPS = Fraction(25)
RATE = 16_000
#: Its pitch rises, so that no part is like another.
SOUND = (0.5 * np.sin(np.arange(8_000) / 20 * (1 + np.arange(8_000) / 8_000))).astype(np.float32)


@dataclass
class Small:
    """What went into the dataset."""

    out: Path
    clips: list[dict]
    pairs: list[dict]
    keys: list[str]


def make_clip(speaker: str, emotion: str, sentence: str, path: str = "") -> Clip:
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


def picture(emotion: str, i: int, size: int) -> np.ndarray:
    """(size, size, 3) uint8 RGB: red says the emotion, green the frame; blue falls off to the right."""
    image = np.zeros((size, size, 3), np.uint8)
    image[..., 0], image[..., 1] = RED[emotion], 20 + 10 * i
    image[..., 2] = np.linspace(200, 0, size)
    return image


def seen(image: np.ndarray) -> tuple[str, int]:
    """The emotion and the frame that a decoded picture shows."""
    red, green = image[..., 0].mean(), image[..., 1].mean()
    return min(RED, key=lambda emotion: abs(RED[emotion] - red)), round((green - 20) / 10)


def make_track(emotion: str, crops: bool = True) -> Track:
    n = EMOTIONS[emotion][1]
    eye = np.tile(np.eye(2, 3), (n, 1, 1))
    series = {
        crop: JpegSeries.from_jpegs([encode_jpeg(picture(emotion, i, size), 95) for i in range(n)])
        for crop, size in (("face", 64), ("mouth", 32))
    }
    return Track(
        times=np.arange(n) / 25 + 0.04,
        valid=np.arange(n) != 3,
        landmarks=np.random.default_rng(n).normal(320, 40, (n, 478, 2)).astype(np.float32),
        face_transforms=eye,
        mouth_transforms=eye * 0.5,
        face=series["face"] if crops else None,
        mouth=series["mouth"] if crops else None,
    )


def make_alignment(source: Track, target: Track) -> Alignment:
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
) -> Small:
    """Each speaker says each sentence in each emotion; neutral with angry is accepted, neutral with happy refused.

    parts: s001 of each speaker is stored in two parts. extra_row: a pair that was never aligned. paths: emotion -> file.
    """
    clips: list[dict] = []
    pairs: list[dict] = []
    keys: list[str] = []
    files = []
    tracks = {emotion: make_track(emotion, crops) for emotion in EMOTIONS}
    flac = encode_flac(Audio(SOUND, RATE, 0.0)) if audio else None
    for split, speakers in SPEAKERS.items():
        writer = ShardWriter(out, split, 60_000)
        for speaker in speakers:
            for sentence in SENTENCES:
                made = {
                    e: make_clip(speaker, e, sentence, (paths or {}).get(e, "")) for e in EMOTIONS
                }
                key = utterance_key(made["neutral"])
                names = {e: clip_name(clip) for e, clip in made.items()}
                content = {e: clip_members(tracks[e], tracks[e].times, flac) for e in EMOTIONS}
                scores = {"face_rate": 11 / 12, "eye_distance": 80.0, "yaw": float("nan")}
                records = []
                for target in ("angry", "happy"):
                    alignment = make_alignment(tracks["neutral"], tracks[target])
                    shown = {
                        "mode": alignment.mode, "cost": alignment.cost, "content_score": None,
                        "duration_ratio": alignment.duration_ratio, "longest_repeat": 2,
                        "diagonal_fraction": 0.9, "local_slope": 0.1,
                    }  # fmt: skip
                    reason = None if target == "angry" else "longest_repeat"
                    records.append(
                        PairRecord(
                            names["neutral"],
                            names[target],
                            shown,
                            reason is None,
                            reason,
                            alignment,
                        )
                    )
                    pairs.append(
                        {
                            "source": made["neutral"].clip_id, "target": made[target].clip_id, "utterance": key,
                            "source_name": names["neutral"], "target_name": names[target], "split": split, "speaker": speaker,
                            "sentence": sentence, "source_emotion": "neutral", "target_emotion": target, **shown,
                            "accepted": reason is None, "reason": reason, "detail": None,
                        }
                    )  # fmt: skip
                together = [
                    [(list(EMOTIONS), records)],
                    [(["neutral", "angry"], records[:1]), (["neutral", "happy"], records[1:])],
                ]
                pieces = together[parts and sentence == "s001"]
                for number, (emotions, own) in enumerate(pieces, 1):
                    part_key = key if number == 1 else f"{key}+p{number}"
                    members = {names[e]: (made[e], scores, content[e]) for e in emotions}
                    writer.add(
                        part_key, sample_members(part_key, members, own, number, len(pieces))
                    )
                    keys.append(part_key)
                for e, clip in made.items():
                    state = (
                        {"state": "paired", "reason": None}
                        if e != "happy"
                        else {"state": "unpaired", "reason": "longest_repeat"}
                    )
                    clips.append(
                        {
                            **clip.row(),
                            **state,
                            "detail": None,
                            "split": split,
                            "utterance": key,
                            "name": names[e],
                            **scores,
                        }
                    )
        files += writer.close()
    if extra_row:
        source = clips[0]
        failed = replace(
            make_clip("M003", "angry", "s001"), clip_id="mead/M003/front/angry-3/s001-t002", take=2
        )
        clips.append(
            {**failed.row(), "state": "failed", "reason": "no_face", "detail": "no face", "split": "train",
             "utterance": source["utterance"], "name": "angry-3-t002", **dict.fromkeys(scores)}
        )  # fmt: skip
        pairs.append(
            {**dict.fromkeys(pairs[0]), "source": source["clip_id"], "target": failed.clip_id, "utterance": source["utterance"],
             "source_name": source["name"], "target_name": "angry-3-t002", "split": "train", "speaker": "M003", "sentence": "s001",
             "source_emotion": "neutral", "target_emotion": "angry", "accepted": False, "reason": "partner_failed"}
        )  # fmt: skip
    write_tables(out, clips, pairs)
    listed = [
        {
            "path": f.path,
            "split": f.split,
            "utterances": f.utterances,
            "bytes": f.bytes,
            "sha256": f.sha256,
        }
        for f in files
    ]
    (out / SHARDS).write_text(json.dumps({"schema": 1, "fingerprint": "0", "shards": listed}))
    (out / INDEX).write_text("".join(json.dumps(line) + "\n" for f in files for line in f.index))
    (out / STATS).write_text(
        json.dumps({"clips": len(clips), "pairs": len(pairs), "bytes": sum(f.bytes for f in files)})
    )
    (out / PROVENANCE).write_text("{}")
    (out / CARD).write_text("# A small dataset\n")
    return Small(out, clips, pairs, keys)


def write_tables(out: Path, clips: list[dict], pairs: list[dict]) -> None:
    pq.write_table(pa.Table.from_pylist(clips), out / CLIPS)
    pq.write_table(pa.Table.from_pylist(pairs), out / PAIRS)
