"""Turn an utterance that was read into the records that a shard is written from."""

from collections.abc import Mapping

from stccl_data.clip import Clip
from stccl_data.dataset.layout import CROPS, FRAME_ARRAYS
from stccl_data.dataset.sample import ClipRecord, PairRecord
from stccl_data.dataset.utterance import Utterance
from stccl_data.dataset.utterance_clip import UtteranceClip


def clip_records(utterance: Utterance) -> Mapping[str, ClipRecord]:
    """Return the clips by name. No frame and no sound is decoded.

    Raises:
        ShardError: the sample is damaged.
    """
    return {name: _clip_record(utterance, clip) for name, clip in utterance.clips.items()}


def pair_records(utterance: Utterance) -> list[PairRecord]:
    """Return the pairs in the order stored, with the decisions at the time of writing.

    Raises:
        ShardError: the sample is damaged.
    """
    pairs = utterance.pairs(accepted=None)
    return [
        PairRecord(
            source=pair.source.name,
            target=pair.target.name,
            scores=pair.scores,
            accepted=pair.accepted,
            reason=pair.reason,
            alignment=pair,
        )
        for pair in pairs
    ]


def _clip_record(utterance: Utterance, clip: UtteranceClip) -> ClipRecord:
    stored = utterance.stored
    labels = Clip(
        clip_id=clip.clip_id,
        corpus=utterance.corpus,
        speaker=utterance.speaker,
        emotion=clip.emotion,
        sentence=utterance.sentence,
        path="",
        level=clip.level,
        take=clip.take,
        view=utterance.view,
        text=utterance.text,
        fps=clip.fps,
        n_frames=clip.n_frames,
        width=clip.width,
        height=clip.height,
        duration_s=clip.duration_s,
        audio_rate=clip.audio_rate,
    )
    len(clip)  # checks the arrays
    names = (*FRAME_ARRAYS, *(f"{crop}_offsets" for crop in CROPS))
    sizes = stored.crop_sizes(clip.name)
    return ClipRecord(
        clip=labels,
        scores=clip.scores,
        tables=stored.clip_arrays(clip.name, names),
        crops={crop: stored.read_crop(clip.name, crop, 0, size) for crop, size in sizes.items()},
        flac=stored.read_sound(clip.name) if clip.has_audio else b"",
    )
