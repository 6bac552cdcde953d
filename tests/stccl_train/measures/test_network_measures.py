"""Measures by networks, with random weights: formulas beside slow loops and SciPy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import soundfile
import torch

from stccl_train.measures.face_features import FaceFeatures
from stccl_train.measures.frechet import frechet_distance, pooled_distance
from stccl_train.measures.identity import Identity, aligned_face
from stccl_train.measures.networks.arcface import ArcFace
from stccl_train.measures.networks.resnet_face import ResNetFace
from stccl_train.measures.networks.syncnet import SyncNet
from stccl_train.measures.sync import Sync, mean_distance, mfcc
from tests.testing.talkers import pair, speech, talker

CPU = torch.device("cpu")


def saved(network: torch.nn.Module, path: Path) -> Path:
    torch.save(network.state_dict(), path)
    return path


def test_frechet_is_scipys_matrix_square_root() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(200, 24)), generator.normal(0.3, 1.5, size=(90, 24))
    covariances = [np.cov(side, rowvar=False) for side in (a, b)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    mean = np.square(a.mean(0) - b.mean(0)).sum()
    expected = mean + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_frechet_of_few_frames_is_finite_and_zero_for_equal_sets() -> None:
    """Fewer frames than numbers: the covariances are singular."""
    a = np.random.default_rng(0).normal(size=(10, 64))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-5)
    assert np.isfinite(frechet_distance(a, a[:2] + 1))
    assert np.isnan(pooled_distance([a[:1]], [a]))


@pytest.mark.parametrize("late", [-7, 0, 4])
def test_the_distance_at_a_shift_is_that_of_a_slow_loop(late: int) -> None:
    generator = np.random.default_rng(1)
    mouth, sound = (generator.normal(size=(n, 8)).astype(np.float32) for n in (40, 37))
    mouth[5] = np.nan
    slow = [
        float(np.sqrt(sum((mouth[i + late] - sound[i]) ** 2)))
        for i in range(37)
        if 0 <= i + late < 40 and i + late != 5
    ]
    assert mean_distance(mouth, sound, late) == pytest.approx(np.mean(slow), rel=1e-5)


def test_a_mouth_that_is_late_has_its_least_distance_there() -> None:
    sound = np.random.default_rng(1).normal(size=(60, 8)).astype(np.float32)
    mouth = np.concatenate([sound[-4:], sound[:-4]])
    distances = [mean_distance(mouth, sound, k) for k in range(-15, 16)]
    assert int(np.argmin(distances)) - 15 == 4


def test_sync_uses_25_frames_and_100_vectors_a_second(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sync = Sync(saved(SyncNet(), tmp_path / "syncnet_v2.model"), CPU)
    voice = 0.3 * np.random.default_rng(0).standard_normal(16_000)
    samples = (voice * 32767).astype(np.int16)
    soundfile.write(tmp_path / "voice.wav", samples, 16_000)
    clip = talker(speech(1, 18), side=224)
    matched = replace(pair(clip, clip), sounds=(str(tmp_path / "voice.wav"),))
    values = sync.measure(matched)
    network = sync._network
    assert clip.track.face is not None
    frames = clip.track.face.decode()[..., ::-1].astype(np.float32)
    cepstra = mfcc(samples.astype(float))
    with torch.no_grad():
        distances = [
            torch.dist(
                network.embed_mouth(torch.tensor(frames[i : i + 5].transpose(3, 0, 1, 2)[None])),
                network.embed_sound(torch.tensor(cepstra[4 * i : 4 * i + 20].T[None, None])),
            ).item()
            for i in range(14)
        ]
    assert values["sync_distance"] == pytest.approx(np.mean(distances), rel=1e-3)
    assert values["lse_d"] <= values["sync_distance"] and values["lse_c"] >= 0


def test_identity_compares_frame_with_frame(tmp_path: Path) -> None:
    torch.manual_seed(0)
    identity = Identity(saved(ArcFace(), tmp_path / "iresnet50.pth"), CPU)
    source, generated = talker(speech(1, 3), side=112), talker(speech(1, 3), side=112, seed=9)
    matched = pair(source, generated)
    assert identity.measure(pair(source, source))["identity"] == pytest.approx(1, abs=1e-5)
    value = identity.measure(matched)["identity"]
    network = identity._network
    with torch.no_grad():
        a, b = (
            network.embed(torch.from_numpy(np.stack([aligned_face(clip, k) for k in range(3)])))
            for clip in (source, generated)
        )
    expected = [float(x @ y / x.norm() / y.norm()) for x, y in zip(a, b, strict=True)]
    assert value == pytest.approx(np.mean(expected), abs=1e-4)
    assert identity.measure(matched.shifted(0.4)) == {}


def test_face_features_are_grey_middles_in_minus_one_to_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    features = FaceFeatures(saved(ResNetFace(), tmp_path / "resnet18_110.pth"), CPU)
    clip = talker(speech(1, 4), side=164)
    network = features._network
    assert clip.track.face is not None
    crops = clip.track.face.decode()[:, 18:146, 18:146].astype(float)
    grey = np.round(crops @ (0.299, 0.587, 0.114)) / 127.5 - 1
    with torch.no_grad():
        expected = network(torch.tensor(grey[:, None], dtype=torch.float32)).numpy()
    assert features.of_clip(clip) == pytest.approx(expected, abs=0.02)
