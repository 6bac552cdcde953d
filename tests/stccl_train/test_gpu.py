"""What a GPU changes: precision, compilation, kernels without an order of their own, NCCL.

Skipped without a GPU. STCCL_GPU_TESTS=cpu rehearses them on a CPU, where they test less.
No fixture of a conftest.py is used, so that they run with pytest, torch and this project alone:
`pytest --noconftest -m gpu tests/stccl_train/test_gpu.py`.
"""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, distributed
from torch.nn import functional

from stccl_train.config import MetricConfig
from stccl_train.loss import STCCLLoss
from stccl_train.model.metric import CorrelationMetric
from stccl_train.seeding import torch_generator
from stccl_train.train.distributed import open_ranks
from stccl_train.train.trainer import fit
from tests.testing import datasets
from tests.testing.landmarks import mouth_points
from tests.testing.metrics import tiny_metric
from tests.testing.training import AtStep, assert_same_run, log_of, micro

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def device() -> torch.device:
    """The GPU, or the CPU in a rehearsal."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if os.environ.get("STCCL_GPU_TESTS") == "cpu":
        return torch.device("cpu")
    pytest.skip("no GPU")


@pytest.fixture(autouse=True)
def exact_float32() -> Iterator[None]:
    """Compute float32 products in float32, not in TF32, so that they can be a reference."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def make_metric(device: torch.device, freeze: bool = False, **changes: object) -> CorrelationMetric:
    """Return an IResNet-18 metric of 96 pixels and three frames, the same on every device."""
    torch.manual_seed(0)
    config = MetricConfig(backbone="iresnet18", size=96, frames=3, **changes)  # type: ignore[arg-type]
    metric = CorrelationMetric(config, freeze)
    metric.scale.fill_(0.1)
    metric.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return metric.to(device)


def make_windows(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return two smooth windows (2, 3, 3, 96, 96) and the same with noise."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(6, 3, 12, 12, generator=generator) * 2 - 1
    source = (
        functional.interpolate(coarse, (96, 96), mode="bicubic").clamp(-1, 1).unflatten(0, (2, 3))
    )
    target = (source + 0.1 * torch.randn(source.shape, generator=generator)).clamp(-1, 1)
    return source.to(device), target.to(device)


def loss_and_gradient(
    metric: CorrelationMetric, device: torch.device, bf16: bool = False
) -> tuple[float, Tensor]:
    """Return the loss of `make_windows` and the gradients of all parameters as one vector."""
    places = [torch.Generator().manual_seed(number) for number in range(2)]
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        loss = metric(*make_windows(device), places).loss
    trained = [p for p in metric.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, trained)
    return loss.item(), torch.cat([g.flatten().float() for g in gradients])


def cosine(a: Tensor, b: Tensor) -> float:
    return functional.cosine_similarity(a.flatten().double(), b.flatten().double(), dim=0).item()


def test_the_gpu_computes_what_the_cpu_computes(device: torch.device) -> None:
    loss, gradient = loss_and_gradient(make_metric(device), device)
    expected, reference = loss_and_gradient(make_metric(torch.device("cpu")), torch.device("cpu"))
    assert loss == pytest.approx(expected, rel=1e-4)
    assert cosine(gradient.cpu(), reference) > 0.9999


@pytest.mark.parametrize("freeze", [False, True])
def test_bf16_changes_the_loss_by_a_percent_and_keeps_the_direction_of_the_gradient(
    device: torch.device, freeze: bool
) -> None:
    loss, gradient = loss_and_gradient(make_metric(device, freeze), device, bf16=True)
    expected, reference = loss_and_gradient(make_metric(device, freeze), device)
    assert loss == pytest.approx(expected, rel=0.01)
    assert cosine(gradient, reference) > 0.98
    assert 0.9 < (gradient.norm() / reference.norm()).item() < 1.1


@pytest.mark.parametrize("padding", ["circular", "zeros"])
def test_the_compiled_metric_equals_the_eager_one(device: torch.device, padding: str) -> None:
    expected, reference = loss_and_gradient(make_metric(device, padding=padding), device)
    metric = make_metric(device, padding=padding)
    metric.compile(**compiler(device))
    loss, gradient = loss_and_gradient(metric, device)
    assert loss == pytest.approx(expected, rel=1e-4)
    assert cosine(gradient, reference) > 0.9999


def compiler(device: torch.device) -> dict[str, Any]:
    """Return options of `torch.compile` that allow no break in the graph.

    The CPU's compiler takes minutes; tracing alone shows that there is none.
    """
    return {"fullgraph": True, "backend": "inductor" if device.type == "cuda" else "aot_eager"}


def test_the_compiled_loss_equals_the_eager_one(device: torch.device) -> None:
    source, target = make_windows(device)
    crit = STCCLLoss(make_metric(device, motion=False, terms=["tcc"]))

    def loss_and_pull() -> tuple[float, Tensor]:
        generated = target.clone().requires_grad_()
        loss = crit(source, generated, torch.Generator().manual_seed(0))
        loss.backward()
        assert generated.grad is not None
        return loss.item(), generated.grad

    expected, reference = loss_and_pull()
    crit.compile(**compiler(device))
    loss, gradient = loss_and_pull()
    assert loss == pytest.approx(expected, rel=1e-4)
    assert cosine(gradient, reference) > 0.9999


def test_features_stay_channels_last(device: torch.device) -> None:
    metric = make_metric(device)
    for layer in metric.backbone(make_windows(device)[0].flatten(0, 1)):
        assert layer.is_contiguous(memory_format=torch.channels_last)


def test_a_frozen_backbone_keeps_its_batch_norms(device: torch.device) -> None:
    metric = make_metric(device, freeze=True).train()
    before = {name: buffer.clone() for name, buffer in metric.backbone.named_buffers()}
    loss_and_gradient(metric, device, bf16=True)
    for name, buffer in metric.backbone.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_places_do_not_depend_on_the_device(device: torch.device) -> None:
    metric, (source, _) = make_metric(device), make_windows(device)
    for kind in metric.kinds:
        features = source.new_zeros(2, 3, 8, 24, 24)
        here, there = (
            metric.places(kind, 0, f, torch.Generator().manual_seed(1))
            for f in (features, features.cpu())
        )
        assert torch.equal(here.cpu(), there)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_loss_under_autocast_pulls_generated_frames_the_same_way(
    device: torch.device, dtype: torch.dtype
) -> None:
    if device.type == "cpu" and dtype is torch.float16:
        pytest.skip("convolutions of float16 take minutes on a CPU")
    source, target = make_windows(device)
    crit = STCCLLoss(make_metric(device))

    def gradient(enabled: bool) -> Tensor:
        generated = target.clone().requires_grad_()
        with torch.autocast(device.type, dtype, enabled=enabled):
            loss = crit(source, generated, torch.Generator().manual_seed(0))
        (1024 * loss).backward()
        assert generated.grad is not None
        return generated.grad

    lower = gradient(True)
    assert lower.isfinite().all()
    assert cosine(lower, gradient(False)) > 0.95


def test_neither_step_nor_loss_waits_for_the_gpu(device: torch.device) -> None:
    metric = tiny_metric().to(device)
    crit = STCCLLoss(metric, check_range=False)
    frames = torch.randint(256, (2, 3, 3, 3, 64, 64), dtype=torch.uint8, device=device)
    points = mouth_points(3, 3).to(device)
    generated = (frames[1] / 127.5 - 1).requires_grad_()

    def step() -> None:
        places = [torch_generator(0, number, device=device) for number in range(3)]
        output = metric(*frames, places, points)
        output.loss.backward()
        metric.update_scale(output.disparity)
        crit(frames[0] / 127.5 - 1, generated, places, points).backward()

    step()  # libraries may wait while they load
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")


def test_a_resumed_run_equals_an_uninterrupted_one(
    device: torch.device, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    config = micro(f"device={device.type}", "metric.backbone=iresnet18", "precision=bf16")
    out = datasets.make_dataset(tmp_path / "out").out

    def stop() -> None:
        raise KeyboardInterrupt

    torch.use_deterministic_algorithms(True)
    try:
        fit(out, tmp_path / "whole", config)
        with pytest.raises(KeyboardInterrupt):
            fit(out, tmp_path / "run", config, AtStep(5, stop))
        fit(out, tmp_path / "run", config)
    finally:
        torch.use_deterministic_algorithms(False)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_one_process_over_nccl_trains_as_without_a_group(
    device: torch.device, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = datasets.make_dataset(tmp_path / "out").out
    config = micro(f"device={device.type}", "epochs=1")
    fit(out, tmp_path / "alone", config)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(
        backend, init_method=f"tcp://127.0.0.1:{port}", rank=0, world_size=1
    )
    try:
        with open_ranks(device.type) as ranks:
            total = torch.ones(3, device=ranks.device)
            distributed.all_reduce(total)
            assert total.tolist() == [1, 1, 1]
        fit(out, tmp_path / "group", config)
    finally:
        distributed.destroy_process_group()
    alone, group = (
        [line["loss"] for line in log_of(tmp_path / name)] for name in ("alone", "group")
    )
    # kernels without a fixed order differ in the last bits
    assert group == pytest.approx(alone, rel=1e-6 if device.type == "cpu" else 1e-2)
