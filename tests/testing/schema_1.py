"""Rewrite a dataset as schema 1 had it, independently of the code that reads schema 1."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from stccl_data.dataset import Utterance, open_dataset
from stccl_data.dataset.layout import INDEX, SHARDS, STATS
from tests.testing.digests import sha256

CLIP_LABELS = ("clip_id", "emotion", "level", "take", "n_frames", "width", "height")
MEDIA_LABELS = ("duration_s", "audio_rate")
ARRAYS = ("valid", "landmarks", "face_transforms", "mouth_transforms")


def downgrade(out: Path, content_fingerprint: str = "content") -> None:
    """Rewrite every shard of `out`, its index and shards.json. The tables stay."""
    dataset = open_dataset(out)
    samples = {line["key"]: line for line in map(json.loads, (out / INDEX).open())}
    record = json.loads((out / SHARDS).read_text())
    for shard in record["shards"]:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for key, line in samples.items():
                if line["shard"] == shard["path"]:
                    for suffix, data in sorted(members(dataset[key]).items()):
                        header = tarfile.TarInfo(f"{key}.{suffix}")
                        header.size = len(data)
                        tar.addfile(header, io.BytesIO(data))
        content.seek(0)
        with tarfile.open(fileobj=content) as tar:
            places = {entry.name: [entry.offset_data, entry.size] for entry in tar}
        (out / shard["path"]).write_bytes(content.getvalue())
        shard.update(bytes=len(content.getvalue()), sha256=sha256(out / shard["path"]))
        for key in (key for key, line in samples.items() if line["shard"] == shard["path"]):
            prefix = f"{key}."
            own = {name: place for name, place in places.items() if name.startswith(prefix)}
            samples[key] = {
                "key": key,
                "split": shard["split"],
                "shard": shard["path"],
                "members": {name.removeprefix(prefix): place for name, place in own.items()},
            }
    record.update(schema=1, fingerprint=content_fingerprint)
    (out / SHARDS).write_text(json.dumps(record))
    (out / INDEX).write_text("".join(json.dumps(line) + "\n" for line in samples.values()))
    counts = json.loads((out / STATS).read_text())
    counts["bytes"] = sum(shard["bytes"] for shard in record["shards"])
    (out / STATS).write_text(json.dumps(counts, indent=1) + "\n")


def members(utterance: Utterance) -> dict[str, bytes]:
    """Return the members that a sample of schema 1 had."""
    labels: dict[str, Any] = {
        "schema": 1,
        **{name: getattr(utterance, name) for name in
           ("key", "corpus", "speaker", "view", "sentence", "text", "part", "parts")},
    }  # fmt: skip
    files: dict[str, bytes] = {}
    labels["clips"] = {}
    for name, clip in utterance.clips.items():
        labels["clips"][name] = {
            **{label: getattr(clip, label) for label in (*CLIP_LABELS, *MEDIA_LABELS)},
            "fps": None if clip.fps is None else str(clip.fps),
            "scores": {score: value for score, value in clip.scores.items() if value is not None},
        }
        arrays = {"times": clip.times}
        if len(clip.landmarks):
            arrays |= {array: getattr(clip, array) for array in ARRAYS}
            arrays |= {"presence": clip.presence, "blendshapes": clip.blendshapes}
        for crop in clip.crops:
            jpegs = clip.jpegs(crop)
            files[f"{name}.{crop}.mjpg"] = b"".join(jpegs)
            arrays[f"{crop}_offsets"] = np.cumsum([0, *map(len, jpegs)], dtype=np.int64)
        files[f"{name}.npz"] = npz(arrays)
        if clip.has_audio:
            files[f"{name}.flac"] = utterance.stored.read_sound(name)
    pairs = utterance.pairs(accepted=None)
    labels["pairs"] = [
        {
            "source": pair.source.name,
            "target": pair.target.name,
            **pair.scores,
            "accepted": pair.accepted,
            "reason": pair.reason,
        }
        for pair in pairs
    ]
    files["pairs.npz"] = npz(
        {
            f"{pair.source.name}+{pair.target.name}.{array}": getattr(pair, array)
            for pair in pairs
            for array in ("frame_map", "source_time", "target_time")
        }
    )
    return {"json": json.dumps(labels).encode(), **files}


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """Return an npz without compression."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()
