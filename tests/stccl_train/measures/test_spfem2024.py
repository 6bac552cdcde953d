"""The published protocol: its formulas beside slow loops, its inputs, folders and missing files."""

import json
import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from stccl_cli.main import stccl
from torch import nn
from torch.nn import functional

from stccl_data.errors import UsageError
from stccl_train.measures.networks.efficient_face import EfficientFace
from stccl_train.measures.networks.resnet_face import ResNetFace
from stccl_train.measures.networks.syncnet import SyncNet
from stccl_train.measures.spfem2024.faces import FaceVideo, read_folder
from stccl_train.measures.spfem2024.inputs import csim_input, fad_input, sync_cepstra, sync_input
from stccl_train.measures.spfem2024.scores import csim, fad, mean_cosine, sync_errors

CPU = torch.device("cpu")


def write_faces(root: Path, actor: str, emotion: str, count: int, seed: int) -> None:
    """Write noise as the face images of a video, with its sound."""
    generator = np.random.default_rng(seed)
    folder = root / actor / emotion / "v1"
    folder.mkdir(parents=True)
    for number in range(count):
        image = generator.integers(0, 255, (256, 256, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:06d}.png"), image)
    soundfile.write(folder.with_suffix(".wav"), 0.1 * generator.standard_normal(16_000), 16_000)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faces")
    for seed, (side, actor) in enumerate(
        (s, a) for s in ("real", "ours") for a in ("M003", "M009")
    ):
        write_faces(root / side, actor, "happy", 8, seed)
    return root


def few_numbers(inputs: torch.Tensor) -> torch.Tensor:
    """A network: the means of sixteen parts of its input."""
    return functional.adaptive_avg_pool2d(inputs, 4).flatten(1)[:, :16]


def test_lse_is_that_of_pairwise_distances_with_zero_padding() -> None:
    generator = np.random.default_rng(0)
    mouth, sound = (generator.normal(size=(30, 12)).astype(np.float32) for _ in range(2))
    padded = functional.pad(torch.tensor(sound), (0, 0, 10, 10))
    means = []
    for shift in range(21):
        distances = [
            functional.pairwise_distance(torch.tensor(mouth[i])[None], padded[i + shift][None])
            for i in range(30)
        ]
        means.append(torch.stack(distances).mean())
    least = min(means)
    expected = (least.item(), (torch.median(torch.stack(means)) - least).item())
    assert sync_errors(mouth, sound) == pytest.approx(expected, rel=1e-5)


def test_csim_is_the_mean_over_all_pairs() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(7, 5)), generator.normal(size=(4, 5))
    slow = [x @ y / np.sqrt((x @ x) * (y @ y)) for x in a for y in b]
    assert mean_cosine(a, b) == pytest.approx(np.mean(slow))


def test_csim_draws_a_hundred_frames_by_seed_1(tmp_path: Path) -> None:
    for name, value in (("real", 40), ("ours", 90)):
        folder = tmp_path / name / "M003" / "sad"
        folder.mkdir(parents=True)
        for number in range(110):
            image = np.full((16, 16, 3), value, np.uint8)
            image[:, : 1 + number % 16] = number
            cv2.imwrite(str(folder / f"{number:06d}.png"), image)
    real, ours = (read_folder(tmp_path / name) for name in ("real", "ours"))
    value = csim({"M003": real}, {"M003": ours}, few_numbers, CPU)
    random.seed(1)
    sides = []
    for (video,) in (real, ours):
        assert video.files is not None
        chosen = random.sample(video.files, 100)
        images = [cv2.imread(str(path))[..., ::-1] for path in chosen]
        sides.append(few_numbers(torch.from_numpy(np.stack([csim_input(i) for i in images]))))
    expected = functional.cosine_similarity(sides[0][:, None], sides[1][None], dim=2).mean()
    assert value == pytest.approx(expected.item(), rel=1e-5)


def test_fad_pools_the_actors(folders: Path) -> None:
    real, ours = read_folder(folders / "real"), read_folder(folders / "ours")
    assert fad(real, real, few_numbers, CPU) == pytest.approx(0, abs=1e-5)
    sides = [
        few_numbers(
            torch.from_numpy(np.stack([fad_input(v.image(k)) for v in videos for k in v.frames]))
        ).numpy()
        for videos in (real, ours)
    ]
    means = sides[0].mean(0) - sides[1].mean(0)
    assert fad(real, ours, few_numbers, CPU) > float(means @ means)


def test_inputs_are_cut_and_scaled_as_published() -> None:
    image = np.random.default_rng(0).integers(0, 255, (256, 256, 3)).astype(np.uint8)
    assert sync_input(image).shape == (224, 224, 3)
    flat = np.full((294, 294, 3), (10, 20, 30), np.uint8)
    flat[:35] = flat[:, -35:] = 255
    assert np.array_equal(sync_input(flat), np.full((224, 224, 3), (30, 20, 10), np.float32))
    picture = csim_input(image)
    expected = (image[16:240, 16:240] / 255 - (0.57535914, 0.44928582, 0.40079932)) / (
        0.20735591,
        0.18981615,
        0.18132027,
    )
    assert picture == pytest.approx(expected.transpose(2, 0, 1), abs=1e-5)
    grey = fad_input(image[:164, :164])
    luma = image[18:146, 18:146].astype(float) @ (0.299, 0.587, 0.114)
    assert grey[0] == pytest.approx(luma / 127.5 - 1, abs=0.01)


def test_a_larger_picture_is_resized_with_antialiasing() -> None:
    image = np.random.default_rng(0).integers(0, 255, (400, 328, 3)).astype(np.uint8)
    grey = torch.tensor(image.astype(np.float32) @ np.float32((0.299, 0.587, 0.114)))
    size = (200, 164)
    resized = functional.interpolate(grey[None, None], size, mode="bilinear", antialias=True)
    assert fad_input(image)[0] == pytest.approx(
        resized[0, 0, 36:164, 18:146].numpy() / 127.5 - 1, abs=0.02
    )


def test_the_sound_loses_two_frames_and_has_four_vectors_a_frame() -> None:
    from python_speech_features import mfcc

    samples = np.random.default_rng(0).normal(0, 0.1, 16_000)
    cepstra = sync_cepstra(samples)
    assert cepstra == pytest.approx(mfcc(samples[1066:], 16_000, winstep=1 / 120), rel=1e-4)
    assert abs(len(cepstra) - 4 * 28) <= 2


def test_folders_are_actor_emotion_video(folders: Path) -> None:
    videos = read_folder(folders / "ours")
    assert [(v.actor, v.emotion, len(v.frames)) for v in videos] == [
        ("M003", "happy", 8),
        ("M009", "happy", 8),
    ]
    assert all(Path(v.sounds[0]).name == "v1.wav" for v in videos)
    assert videos[0].image(0).shape == (256, 256, 3)


def test_a_folder_without_images_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ACTOR/EMOTION"):
        read_folder(tmp_path)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no image")
    video = FaceVideo("a", "sad", (tmp_path / "broken.png",), None, ())
    with pytest.raises(UsageError, match=r"broken\.png"):
        video.image(0)


def prefixed(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the state dict of a network that was trained on several GPUs."""
    return {f"module.{name}": value for name, value in network.state_dict().items()}


def run_command(folders: Path, weights: Path) -> dict[str, Any]:
    words = ["measure", str(folders / "real"), str(folders / "ours"), "--protocol", "spfem2024"]
    result = CliRunner().invoke(stccl, [*words, "--weights", str(weights), "--format", "json"])
    assert result.exit_code == 0, result.output
    record: dict[str, Any] = json.loads(result.stdout)
    return record


def test_the_command_computes_all_scores_with_files_as_published(
    folders: Path, tmp_path: Path
) -> None:
    torch.save(prefixed(ResNetFace()), tmp_path / "resnet18_110.pth")
    torch.save(SyncNet().state_dict(), tmp_path / "syncnet_v2.model")
    record = run_command(folders, tmp_path)
    values = {row["score"]: row["value"] for row in record["table"] if row["emotion"] == "happy"}
    assert set(values) == {"FAD", "LSE-D", "LSE-C"}
    assert values["FAD"] > 0 and values["LSE-D"] > 0 and values["LSE-C"] >= 0
    assert not record["dropped"] and set(record["absent"]) == {"CSIM"}


def test_the_command_computes_what_it_has_weights_for(folders: Path, tmp_path: Path) -> None:
    name = "EfficientFace_Trained_on_AffectNet7.pth.tar"
    torch.save({"state_dict": prefixed(EfficientFace())}, tmp_path / name)
    record = run_command(folders, tmp_path)
    scores = {(row["score"], row["emotion"]) for row in record["table"]}
    assert scores == {("CSIM", "happy"), ("CSIM", "average")}
    assert "resnet18_110.pth" in record["absent"]["FAD"]
    assert "syncnet_v2.model" in record["absent"]["LSE-D"]
    assert "identity" not in record["absent"] and "ArcFace" not in record["differences"]
