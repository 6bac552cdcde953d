"""The walls between the packages: which module may import which."""

import ast
from pathlib import Path

from tests.testing.processes import run_python

ROOT = Path(__file__).parent.parent

#: package (or module) -> what it must never import, directly
FORBIDDEN = {
    "stccl_data": {"stccl_train", "stccl_cli", "click", "rich.progress"},
    "stccl_train": {"stccl_cli", "mediapipe", "click"},
    "stccl_data/corpora": {
        "stccl_data.dataset",
        "stccl_data.landmarks",
        "stccl_data.pipeline",
        "av",
        "cv2",
        "mediapipe",
        "numpy",
    },
    "stccl_data/landmarks": {
        "stccl_data.corpora",
        "stccl_data.dataset",
        "stccl_data.pipeline",
        "stccl_data.clip",
    },
    "stccl_data/dataset/reader.py": {"stccl_data.pipeline", "stccl_data.extract", "mediapipe"},
    "manifests": {"stccl_data", "stccl_train"},
}


#: The modules of stccl_data that stccl_train may import: the readers, what works on the records
#: they return, and the foundations that all packages share.
PUBLIC_TO_TRAINING = {
    "stccl_data",
    "stccl_data.alignment.modes",
    "stccl_data.alignment.mouths",
    "stccl_data.alignment.tracked_clip",
    "stccl_data.alignment.warping_path",
    "stccl_data.clip",
    "stccl_data.dataset",
    "stccl_data.dataset.layout",
    "stccl_data.errors",
    "stccl_data.executors",
    "stccl_data.face.canonical",
    "stccl_data.face.crops",
    "stccl_data.face.track",
    "stccl_data.features.mouth",
    "stccl_data.features.signals",
    "stccl_data.files.atomic",
    "stccl_data.files.lock",
    "stccl_data.files.npz",
    "stccl_data.landmarks",
    "stccl_data.media.audio",
    "stccl_data.media.jpeg",
    "stccl_data.options",
    "stccl_data.pairs.gates",
    "stccl_data.progress",
    "stccl_data.report",
    "stccl_data.report.charts",
    "stccl_data.report.site",
    "stccl_data.report.views",
    "stccl_data.words",
}


def imported_by(path: Path) -> set[str]:
    """Full names of the modules that a file imports anywhere in it."""
    package = list(path.relative_to(ROOT).with_suffix("").parts[:-1])
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


def test_imports_point_one_way() -> None:
    wrong = []
    for room, forbidden in FORBIDDEN.items():
        place = ROOT / room
        for path in [place] if place.suffix else sorted(place.rglob("*.py")):
            names = [
                n
                for n in imported_by(path)
                if any(n == f or n.startswith(f + ".") for f in forbidden)
            ]
            wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in names]
    assert not wrong, "\n".join(wrong)


def test_training_imports_only_public_modules_of_stccl_data() -> None:
    wrong = []
    for path in sorted((ROOT / "stccl_train").rglob("*.py")):
        modules = {name for name in imported_by(path) if _is_data_module(name)}
        wrong += [
            f"{path.relative_to(ROOT)} imports {name}" for name in modules - PUBLIC_TO_TRAINING
        ]
    assert not wrong, "\n".join(wrong)


def _is_data_module(name: str) -> bool:
    """Whether a dotted name is a module or package of stccl_data, not a name inside one."""
    path = ROOT.joinpath(*name.split("."))
    return name.split(".")[0] == "stccl_data" and (
        path.is_dir() or path.with_name(f"{path.name}.py").is_file()
    )


def test_only_the_fan_backend_imports_torch() -> None:
    torch_users = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "stccl_data").rglob("*.py"))
        if any(name.split(".")[0] in ("torch", "face_alignment") for name in imported_by(path))
    ]
    assert [user for user in torch_users if "doctor" not in user] == ["stccl_data/landmarks/fan.py"]


def test_the_pipeline_imports_neither_torch_nor_mediapipe() -> None:
    modules = "[m for m in ('torch', 'mediapipe') if m in sys.modules]"
    code = f"import sys, stccl_data.pipeline.prepare; print({modules})"
    assert run_python(code).stdout.strip() == "[]"


def test_measuring_without_weights_imports_neither_torch_nor_numba(tmp_path: Path) -> None:
    code = (
        "import sys; from stccl_train.measures import instruments, measure\n"
        f"instruments.open_instruments(instruments.MeasureConfig(weights={str(tmp_path)!r}))\n"
        "print([m for m in ('torch', 'numba') if m in sys.modules])"
    )
    assert run_python(code).stdout.strip() == "[]"


def test_no_room_is_called_after_nothing() -> None:
    nameless = {"utils.py", "helpers.py", "common.py", "misc.py"}
    rooms = (
        path
        for top in ("stccl_data", "stccl_train", "cli", "manifests")
        for path in (ROOT / top).rglob("*.py")
    )
    assert not [path for path in rooms if path.name in nameless]


def test_every_module_says_what_it_is_for() -> None:
    rooms = [
        path
        for top in ("stccl_data", "stccl_train", "cli", "manifests")
        for path in (ROOT / top).rglob("*.py")
    ]
    assert not [str(path) for path in rooms if not ast.get_docstring(ast.parse(path.read_text()))]
