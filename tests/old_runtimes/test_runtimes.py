"""Exported files load and agree with torch in each ONNX Runtime since 1.16: `make test-runtimes`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.old_runtimes.environments import CURRENT, RUNTIMES, find_python
from tests.old_runtimes.matrix import KINDS, exceeds, run_runtime, write_files

pytestmark = pytest.mark.runtimes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write_files(folder)
    return folder


@pytest.mark.parametrize("version", [*RUNTIMES, CURRENT])
def test_every_file_agrees_with_torch(version: str, folder: Path) -> None:
    if find_python(version) is None:
        pytest.skip(f"no environment with ONNX Runtime {version}: `make test-runtimes` makes it, with a network")
    found = run_runtime(version, folder)
    assert {name.partition("-")[0] for name in found} == set(KINDS)
    wrong = {name: value for name, value in found.items() if exceeds(name, value)}
    # how a pool rounds up with a padding was settled late, see docs/export/runtimes.md
    assert version != CURRENT or not wrong
    assert all(name.startswith("pool-") for name in wrong), wrong


def test_a_wrong_number_shows(folder: Path, tmp_path: Path) -> None:
    """The control: torch's answers, moved by a thousandth of the largest."""
    for suffix in (".onnx", ".in.npz"):
        (tmp_path / f"fp32-se_net{suffix}").write_bytes((folder / f"fp32-se_net{suffix}").read_bytes())
    with np.load(folder / "fp32-se_net.torch.npz") as arrays:
        moved = {name: arrays[name] + 1e-3 * np.abs(arrays[name]).max() for name in arrays.files}
    np.savez(tmp_path / "fp32-se_net.torch.npz", **moved)
    found = run_runtime(CURRENT, tmp_path)
    assert exceeds("fp32-se_net", found["fp32-se_net"])
