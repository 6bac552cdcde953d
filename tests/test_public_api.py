"""The public API of the packages: complete, typed, and imported on first use."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("stccl_data", "stccl_train")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_can_be_imported(package):
    module = importlib.import_module(package)
    assert all(callable(getattr(module, name)) for name in module.__all__)
    with pytest.raises(AttributeError):
        module.no_such_name  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_imports_nothing_heavy(package):
    heavy = {"numpy", "pydantic", "torch", "cv2"}
    code = f"import sys, {package}; assert not {heavy} & {{*sys.modules}}"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_ship_their_types(package):
    assert Path(importlib.import_module(package).__file__).with_name("py.typed").is_file()
