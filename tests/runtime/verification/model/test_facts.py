"""What a file computes in is told by its numbers, whatever it says of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archspec.api import verify_model
from archspec.errors import ArchspecError
from compiler.onnx_file.skim import list_metadata
from runtime.verification.model.facts import parse_metadata, read_facts
from runtime.verification.model.inside import ModelInside
from runtime.verification.options import VerifyOptions
from tests.support.verification import export, make, make_node, save


@pytest.mark.parametrize(
    ("kind", "dtype", "limit"), [(TensorProto.DOUBLE, "float64", 1e-8), (TensorProto.INT64, "int64", 0.0)]
)
def test_the_precision_is_that_of_the_numbers(kind: int, dtype: str, limit: float, tmp_path: Path) -> None:
    one = np.array([10**9], helper.tensor_dtype_to_np_dtype(kind))
    found = verify_model(
        save(tmp_path, [make_node("Add", ["x", "c"], ["y"])], {"x": ["N", 2]}, {"y": ["N", 2]}, {"c": one}, kind)
    )
    assert found.passed
    assert found.facts is not None
    assert (found.facts.precision, found.facts.dtype) == (dtype, dtype)
    assert VerifyOptions().limits(dtype).numbers == limit


def test_facts_of_a_file_are_onnxs(tmp_path: Path) -> None:
    graph, module = make()
    path = export(tmp_path, graph, module)
    model = onnx.load(path)
    facts = read_facts(ModelInside(path))
    assert (facts.opset, facts.ir_version) == (model.opset_import[0].version, model.ir_version)
    assert (facts.nodes, facts.stored) == (len(model.graph.node), len(model.graph.initializer))
    assert facts.numbers == sum(numpy_helper.to_array(tensor).size for tensor in model.graph.initializer)
    assert (facts.bytes, facts.data, facts.precision) == (path.stat().st_size, (), "fp32")
    assert facts.to_dict()["metadata"]["name"] == facts.metadata["archspec.name"] == graph.name


def test_what_others_say_and_what_is_malformed(tmp_path: Path) -> None:
    path = export(tmp_path, *make())
    model = onnx.load(path)
    said = list_metadata(model) | {
        "archspec.classes": '["a", "b"]',
        "archspec.precision": "bf16",
        "licence": "x",
    }
    facts = read_facts(say(model, said, path))
    assert facts.classes == ("a", "b")
    assert facts.precision == "float32"  # what it computes in, whatever it says
    assert "licence" not in facts.metadata
    assert read_facts(say(model, said | {"archspec.classes": "[1]"}, path)).classes == ()
    with pytest.raises(ArchspecError, match=r"the metadata 'archspec\.sizes' must be a JSON object"):
        read_facts(say(model, said | {"archspec.sizes": "[1]"}, path))


def say(model: onnx.ModelProto, metadata: dict[str, str], path: Path) -> ModelInside:
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return ModelInside(path)


@pytest.mark.parametrize(("text", "value"), [("[1]", [1]), ("text", "text"), ("[" * 10_000, "[" * 10_000), ("1", 1)])
def test_json_is_told_as_its_value(text: str, value: object) -> None:
    assert parse_metadata(text) == value
