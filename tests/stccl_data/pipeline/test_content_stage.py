"""Which clips the content check compares by their mouth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from stccl_data.clip import Clip
from stccl_data.features.mouth import MEASURES, MouthFeatures
from stccl_data.features.signals import Signals
from stccl_data.pairs.gates import GateConfig
from stccl_data.pipeline import tasks
from stccl_data.pipeline.clip_artefact import ClipArtefact
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.content_stage import content_work
from stccl_data.pipeline.pair_artefacts import load_content
from stccl_data.pipeline.records import Candidate, ClipRow
from stccl_data.pipeline.state import Store

EMOTIONS = ("neutral", "happy", "sad", "angry", "fear")
#: The clip whose mouth a mask hides.
MASKED = "s1-sad"


def mouth(sentence, emotion):
    """Move as a sentence does, with some noise; a masked mouth moves anyhow."""
    count, seed = 75, EMOTIONS.index(emotion)
    noise = np.random.default_rng([seed, 1]).normal(size=(count, len(MEASURES)))
    motion = np.random.default_rng(ord(sentence[-1])).normal(size=(count, len(MEASURES)))
    shape = noise if f"{sentence}-{emotion}" == MASKED else motion + 0.3 * noise
    shape = gaussian_filter1d(shape, 2, axis=0).astype(np.float32)
    times = np.arange(count) / 25
    velocity = np.gradient(shape, times, axis=0).astype(np.float32)
    return MouthFeatures(shape, velocity, times, np.ones(count, bool))


@dataclass(frozen=True)
class SilentArtefact:
    """Stands for `ClipArtefact`: its file is named after the clip."""

    path: Path

    def signals(self):
        return Signals(mouth=mouth(*self.path.stem.split("-")))


@pytest.fixture
def rows():
    return {
        f"{sentence}-{emotion}": ClipRow(
            Clip(
                clip_id=f"{sentence}-{emotion}",
                corpus="own",
                speaker="ann",
                emotion=emotion,
                sentence=sentence,
                path="a.mp4",
            ),
            scores={"mouth_visible": 0.0 if f"{sentence}-{emotion}" == MASKED else 1.0},
            artefact=ClipArtefact(Path(f"{sentence}-{emotion}.npz")),
        )
        for sentence in ("s1", "s2")
        for emotion in EMOTIONS
    }


@pytest.mark.parametrize(("least", "doubted"), [(0.8, []), (0.0, [MASKED])])
def test_a_hidden_mouth_says_nothing_of_the_label(rows, tmp_path, monkeypatch, least, doubted):
    monkeypatch.setattr(tasks, "ClipArtefact", SilentArtefact)
    pairs = [
        Candidate(rows[f"{s}-neutral"], rows[f"{s}-{e}"])
        for s in ("s1", "s2")
        for e in EMOTIONS[1:]
    ]
    config = PrepareConfig(gates=GateConfig(min_mouth_visible=least))
    (unit,) = content_work(config, Store(tmp_path), pairs, rows).units
    tasks.content_unit(*unit.args)
    check = load_content(Path(unit.args[2]))
    assert [name for name, clip in check.clips.items() if clip.probably_mislabelled] == doubted
    assert {score.target for score in check.pairs if np.isnan(score.score)} == (
        set() if doubted else {MASKED}
    )


def test_a_check_is_made_again_only_if_other_mouths_are_hidden(rows, tmp_path):
    pairs = [Candidate(rows["s1-neutral"], rows[MASKED])]
    keys = [
        content_work(
            PrepareConfig(gates=GateConfig(min_mouth_visible=least)), Store(tmp_path), pairs, rows
        ).artefacts
        for least in (0.8, 0.5, 0.0)
    ]
    assert keys[0] == keys[1] != keys[2]
