"""An export does not depend on what its caller set in torch, and leaves that as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest
import torch

from archspec.api import elaborate, load, to_onnx, to_torch, verify_model
from compiler.torch_target.modes import unaffected
from runtime.export.export import Export
from tests.support.lowering import stir

Ambient = Callable[[], AbstractContextManager[object]]


@contextmanager
def changed(get: Callable[[], object], change: Callable[..., object], value: object) -> Iterator[None]:
    before = get()
    change(value)
    try:
        yield
        assert get() == value
    finally:
        change(before)


@contextmanager
def flushing() -> Iterator[None]:
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def on_meta() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)  # a device that is set, even the CPU, changes how torch calls its functions


AMBIENT: dict[str, Ambient] = {
    "float64": lambda: changed(torch.get_default_dtype, torch.set_default_dtype, torch.float64),
    "bfloat16": lambda: changed(torch.get_default_dtype, torch.set_default_dtype, torch.bfloat16),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "meta": on_meta,
    "in meta": lambda: torch.device("meta"),
    "deterministic": lambda: changed(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    ),
    "flush denormal": flushing,
    "medium": lambda: changed(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"),
    "anomaly": torch.autograd.detect_anomaly,
}

GRAPH = elaborate(load("resnet_digits"))
WEIGHTS = stir(to_torch(GRAPH)).state_dict()


def export(path: Path) -> tuple[bytes, Export]:
    done = to_onnx(GRAPH, WEIGHTS, path)
    return path.read_bytes(), done


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Export]:
    return export(tmp_path_factory.mktemp("usual") / "m.onnx")


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
@pytest.mark.parametrize("name", AMBIENT)
def test_file_and_proof_are_the_same(name: str, usual: tuple[bytes, Export], tmp_path: Path) -> None:
    random = torch.get_rng_state()
    with AMBIENT[name]():
        written, done = export(tmp_path / "m.onnx")
    assert (written, done.proof) == (usual[0], usual[1].proof)
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("name", ["float64", "autocast"])
def test_a_verification_says_the_same(name: str, usual: tuple[bytes, Export]) -> None:
    with AMBIENT[name]():
        found = verify_model(usual[1].path, (GRAPH, WEIGHTS))
    assert found.to_dict() == verify_model(usual[1].path, (GRAPH, WEIGHTS)).to_dict()


@pytest.mark.parametrize("name", ["float64", "bfloat16", "autocast"])
def test_what_is_guarded_against_does_harm(
    name: str, usual: tuple[bytes, Export], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the guard these change the proof, or end it."""
    for module in ("compiler.torch_target.modes", "runtime.verification.proof.proof"):
        monkeypatch.setattr(f"{module}.unaffected", nullcontext)
    with AMBIENT[name](), pytest.raises(Exception, match=r"differs|expected|dtype"):
        export(tmp_path / "m.onnx")


def test_a_module_is_of_the_default_type() -> None:
    with AMBIENT["float64"]():
        module = to_torch(GRAPH)
        with unaffected():
            assert torch.get_default_dtype() == torch.float32
    assert {value.dtype for value in module.state_dict().values()} == {torch.float64}
