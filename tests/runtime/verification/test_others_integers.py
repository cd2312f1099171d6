"""int8 files of another maker are judged within steps of eight bits, and a wrong one is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static

from archspec.api import elaborate, load, to_onnx, to_torch, verify_model
from runtime.verification.checks import Verification
from tests.lowering import stir

Array = NDArray[Any]


class Images(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, factor: float) -> None:
        random = np.random.default_rng(0)
        shape = (4, 1, 8, 8)
        images = [{"image": factor * random.standard_normal(shape).astype(np.float32)} for _ in range(3)]
        self.images: Iterator[dict[str, Array]] = iter(images)

    def get_next(self) -> dict[str, Array] | None:
        return next(self.images, None)


def quantize(folder: Path, form: str, factor: float = 1.0) -> Path:
    graph = elaborate(load("resnet_digits"))
    plain, path = folder / "float.onnx", folder / "int8.onnx"
    to_onnx(graph, stir(to_torch(graph)).state_dict(), plain, verify=False)
    model = onnx.load(plain)
    del model.metadata_props[:]  # what another maker knows nothing of
    onnx.save(model, plain)
    if form == "dynamic":
        quantize_dynamic(plain, path)
    else:
        quantize_static(plain, path, Images(factor), quant_format=QuantFormat[form])
    return path


def verify(path: Path) -> Verification:
    return verify_model(path, batches=[2], sizes={"H": 8, "W": 9})


@pytest.mark.parametrize("form", ["QDQ", "QOperator", "dynamic"])
def test_integers_of_another_maker_are_verified(form: str, tmp_path: Path) -> None:
    found = verify(quantize(tmp_path, form))
    assert found.passed, found.checks
    assert found.facts is not None
    assert found.facts.precision == "int8"
    assert {check.name: check.status for check in found.checks}["batch"] == "passed"


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_a_scale_that_is_wrong_is_no_step(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other run reads a file in which the last weight's scale is three times too large."""
    path = quantize(tmp_path, form)
    model = onnx.load(path)
    scale = next(item for item in model.graph.initializer if "linear_0.weight" in item.name and "scale" in item.name)
    scale.CopyFrom(numpy_helper.from_array(3 * numpy_helper.to_array(scale), scale.name))
    (tmp_path / "wrong").mkdir()
    onnx.save(model, tmp_path / "wrong" / "int8.onnx")
    monkeypatch.setattr("runtime.verification.runs.open_runnable", lambda inside: Wrong(tmp_path / "wrong"))
    assert not verify(path).passed


class Wrong:
    """What a session reads, in another's place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Path:
        return self.folder / "int8.onnx"

    def __exit__(self, *error: object) -> None: ...


@pytest.mark.parametrize(("factor", "status"), [(1.0, "passed"), (1e4, "noted")])
def test_the_range_of_its_inputs_is_told(factor: float, status: str, tmp_path: Path) -> None:
    found = verify(quantize(tmp_path, "QDQ", factor))
    ranges = next(check for check in found.checks if check.name == "ranges")
    assert (ranges.status, found.passed) == (status, True)
