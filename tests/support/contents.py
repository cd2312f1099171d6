"""Models whose content is looked at: a network that is exported, and a file with a tensor wherever one can be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from archspec.api import elaborate, load, to_torch
from compiler.onnx_file.digest import digest_content
from compiler.onnx_file.metadata import CONTENT
from compiler.onnx_file.tensors import FORMS
from tests.support.lowering import Arrays, stir

GRAPH = elaborate(load("resnet_digits", {"widths": [4, 8, 8]}))
LARGE = 3000
"""Numbers of a tensor that is passed over where a file is read."""


def draw_weights() -> Arrays:
    return {name: value.numpy() for name, value in stir(to_torch(GRAPH)).state_dict().items()}


WORDS: Any = [b"a", b"b"]
TURNS: Any = [1 + 2j]
"""What onnx takes and its types do not say."""


def build_everything() -> onnx.ModelProto:
    """A model with a tensor wherever one can be: stored and in attributes, subgraphs and functions; of every type, as
    bytes and one by one."""
    stored = [numpy_helper.from_array(np.arange(LARGE, dtype=np.float32), "large")]
    for kind in FORMS:
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        values = np.array([0, 1, 1, 0, 1]).astype(dtype)
        stored.append(numpy_helper.from_array(values, f"raw_{kind}"))
        stored.append(helper.make_tensor(f"listed_{kind}", kind, [5], values.tolist()))
    stored.append(helper.make_tensor("words", TensorProto.STRING, [2], WORDS))
    stored.append(helper.make_tensor("empty", TensorProto.FLOAT, [0, 3], []))
    stored.append(helper.make_tensor("half", TensorProto.INT4, [3], [1, 2, 3]))
    stored.append(helper.make_tensor("turns", TensorProto.COMPLEX64, [1], TURNS))
    inner = numpy_helper.from_array(np.ones(4, np.float32), "inner")
    branch = helper.make_graph(
        [helper.make_node("Identity", ["inner"], ["z"])],
        "branch",
        [],
        [helper.make_tensor_value_info("z", 1, [4])],
        [inner],
    )
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones(700, np.float32)))
    nodes = [
        constant,
        helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch),
        helper.make_node("Odd", ["y"], ["w"], "name", domain="d", i=3, f=0.5, s="text", ints=[1, 2], floats=[1.5]),
    ]
    function = helper.make_function("d", "Odd", ["a"], ["b"], [constant], [helper.make_opsetid("", 17)], ["i"])
    graph = helper.make_graph(
        nodes,
        "everything",
        [helper.make_tensor_value_info("x", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("w", TensorProto.FLOAT, ["N", 4])],
        stored,
        value_info=[helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
    )
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(2, np.float32), "sparse"), numpy_helper.from_array(np.arange(2)), [9]
    )
    graph.sparse_initializer.append(sparse)
    model = helper.make_model(graph, functions=[function], producer_name="p", ir_version=10)
    helper.set_model_props(model, {"author": "me", CONTENT: "0" * 32})
    return model


EVERYTHING = build_everything()


def copy(model: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.ModelProto.FromString(model.SerializeToString())


def digest(model: onnx.ModelProto) -> str:
    return digest_content(copy(model))


def save(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


SAVES: dict[str, Callable[[onnx.ModelProto, Path], None]] = {
    "one file": onnx.save,
    "data": lambda model, path: onnx.save(model, path, save_as_external_data=True, location="d", size_threshold=0),
    "data of each": lambda model, path: onnx.save(
        model, path, save_as_external_data=True, all_tensors_to_one_file=False
    ),
    "data of attributes": lambda model, path: onnx.save(
        model, path, save_as_external_data=True, location="d", size_threshold=0, convert_attribute=True
    ),
}
