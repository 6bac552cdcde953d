"""The arrays of clips.npz and pairs.npz, and how unknown labels are stored, in schema 2."""

from stccl_data.dataset.layout import CROPS

#: The arrays of clips.npz with their types, besides FRAME_ARRAYS; all others are scores of clips.
CLIP_COLUMNS = {
    "frame_offsets": "int64",
    "flac_offsets": "int64",
    "tracked": "bool",
    **{f"{crop}_offsets": "int64" for crop in CROPS},
}
#: The arrays of pairs.npz with their types; all others are scores of pairs.
PAIR_COLUMNS = {
    "frame_map_offsets": "int64",
    "path_offsets": "int64",
    "frame_map": "int32",
    "source_time": "float64",
    "target_time": "float64",
}
#: Scores are stored as float64, NaN if unknown.
SCORE_TYPE = "float64"

#: The labels of a sample, of a clip and of a pair in KEY.json, with their types, in order.
SAMPLE_LABELS: dict[str, type] = {
    "schema": int,
    "key": str,
    "corpus": str,
    "speaker": str,
    "view": str,
    "sentence": str,
    "text": str,
    "part": int,
    "parts": int,
}
CLIP_LABELS: dict[str, type] = {
    "name": str,
    "clip_id": str,
    "emotion": str,
    "level": int,
    "take": int,
    "fps": str,
    "n_frames": int,
    "width": int,
    "height": int,
    "duration_s": float,
    "audio_rate": int,
}
PAIR_LABELS: dict[str, type] = {
    "source": str,
    "target": str,
    "mode": str,
    "accepted": bool,
    "reason": str,
}

#: The labels of a clip that may be unknown: stored as "" or 0.
UNKNOWN_LABELS = ("fps", "n_frames", "width", "height", "duration_s", "audio_rate")
