"""Files in half precision and in integers are held to limits of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.api import verify_model
from compiler.graph import Graph
from compiler.onnx_target.int8.quantize import plan_quantization, quantize_model
from compiler.onnx_target.int8.scheme import Scheme
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.write import write_model
from runtime.verification.model.inside import ModelInside
from runtime.verification.witness import witness
from tests.support.models import convert_to_half
from tests.support.verification import export, make, runs, statuses, text_of


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_has_its_own_limits(precision: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, module = make()
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    path = tmp_path / "m.onnx"
    write_model(build_model(graph, weights, options=ExportOptions(precision=precision)), path)
    found = verify_model(path, (graph, weights))
    assert found.passed
    assert found.facts is not None
    assert found.facts.precision == precision
    twin = f"on a twin in float32 whose results are rounded to {'bfloat16' if precision == 'bf16' else 'float16'}"
    assert (statuses(found).get("twin") == "noted") == (precision == "bf16")
    assert all((f"finite {twin}; " in row.text) == (precision == "bf16") for row in runs(found))
    if precision == "bf16":
        who = "the same twin without ONNX Runtime's optimizations agrees to"
    else:
        who = f"ONNX Runtime without its optimizations ({twin}) agrees to"
        monkeypatch.setattr(witness, "MAX_MACS", 0)
        found = verify_model(path, batches=[1])
    assert all(f"; {who}" in row.text for row in runs(found))
    assert not verify_model(path, (graph, weights), tolerance=1e-6).passed


def test_the_precision_is_that_of_the_numbers(tmp_path: Path) -> None:
    """Of a file that a converter changed in place, which keeps what it said."""
    path = export(tmp_path, *make())
    assert verify_model(path).facts.precision == "fp32"  # type: ignore[union-attr]
    convert_to_half(path)
    found = verify_model(path)
    assert found.facts is not None
    assert (found.facts.precision, found.facts.metadata["archspec.precision"]) == ("float16", "fp32")
    assert {name for name, status in statuses(found).items() if status == "failed"} == {"content"}
    assert "this is not what was exported: its content is" in text_of(found, "content")


def quantize(folder: Path, graph: Graph, weights: dict[str, Any], spoiled: Sequence[str] = ()) -> Path:
    """The file in integers, with ranges from one batch."""
    model = build_model(graph, weights)
    write_model(model, folder / "float.onnx")
    random = np.random.default_rng(0)
    feed = {name: random.standard_normal((8, *node.shape)).astype(np.float32) for name, node in graph.inputs.items()}
    wanted = plan_quantization(model, "u8s8").values
    values = ModelInside(folder / "float.onnx").read([name for name in wanted if name not in feed], feed) | feed
    ranges = {name: (float(values[name].min()), float(values[name].max())) for name in wanted}
    ranges |= {name: (low / 8, high / 8) for name, (low, high) in ranges.items() if name in spoiled}
    path = folder / "int8.onnx"
    write_model(quantize_model(model, Scheme("u8s8", ranges), {"archspec.precision": "int8"}), path)
    return path


def test_integers_are_compared_node_by_node(tmp_path: Path) -> None:
    graph, module = make()
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    found = verify_model(quantize(tmp_path, graph, weights), (graph, weights))
    assert found.passed
    assert "by itself is off by at most" in text_of(found, "nodes")
    assert "onnx.reference agrees" in runs(found)[0].text
    assert "torch" not in statuses(found)
    found = verify_model(tmp_path / "int8.onnx", (graph, make(seed=1)[1].state_dict()))
    assert not found.passed


def test_a_range_that_cuts_off_most_is_found(tmp_path: Path) -> None:
    graph, module = make()
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    found = verify_model(quantize(tmp_path, graph, weights, spoiled=("relu_0",)), (graph, weights))
    assert not found.passed
    assert found.bisection is not None
    assert found.bisection.first is not None
    assert graph[found.bisection.first.computes[0]].inputs == ("relu_0",)


def test_images_of_a_narrow_range_are_no_fault(tmp_path: Path) -> None:
    """Random inputs go beyond what a calibration saw."""
    graph, module = make()
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    assert verify_model(quantize(tmp_path, graph, weights, spoiled=("image",)), (graph, weights)).passed
