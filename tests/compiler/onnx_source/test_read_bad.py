"""Files that are no models, or hostile ones: one line that says what is wrong, where, and nothing else happens."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from archspec.errors import ModelError
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.paths.counting import count_paths
from compiler.analysis.unknown import find_unknown
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import build_small
from tests.support.models import build_model, save

KERNEL = np.ones((4, 3, 3, 3), np.float32)


def build_conv(**attributes: Any) -> onnx.ModelProto:
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="/stem/conv/Conv", **attributes)
    return build_model([node], {"x": [1, 3, 8, 8]}, {"y": [1, 4, 6, 6]}, {"w": KERNEL})


def break_cycle() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Add", ["x", "c"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="second"),
        helper.make_node("Relu", ["b"], ["c"], name="third"),
    ]
    return build_model(nodes, {"x": [1, 3]}, {"c": [1, 3]})


def break_name() -> onnx.ModelProto:
    nodes = [helper.make_node("Relu", ["x"], ["y"], name="one"), helper.make_node("Relu", ["x"], ["y"], name="two")]
    return build_model(nodes, {"x": [1, 3]}, {"y": [1, 3]})


def break_input() -> onnx.ModelProto:
    return build_model([helper.make_node("Relu", ["lost"], ["y"], name="act")], {"x": [1, 3]}, {"y": [1, 3]})


def break_extent(extent: int) -> onnx.ModelProto:
    model = build_conv()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = extent
    return model


def break_stored(extent: int) -> onnx.ModelProto:
    model = build_conv()
    model.graph.initializer[0].dims[0] = extent
    return model


def break_without_input() -> onnx.ModelProto:
    return build_model([helper.make_node("Relu", ["w"], ["y"])], {}, {"y": [4, 3, 3, 3]}, {"w": KERNEL})


def break_output() -> onnx.ModelProto:
    model = build_conv()
    model.graph.output[0].name = "z"
    return model


def break_shape() -> onnx.ModelProto:
    node = helper.make_node("Own", ["x"], ["y"], name="own", domain="com.acme")
    model = build_model([node, helper.make_node("Relu", ["y"], ["z"])], {"x": [1, 3]}, {"z": [1, 3]})
    model.opset_import.append(helper.make_opsetid("com.acme", 1))
    return model


def build_two_operands() -> onnx.ModelProto:
    return build_model([helper.make_node("HardSigmoid", ["x", "x"], ["y"])], {"x": [1, 3]}, {"y": [1, 3]})


def break_type() -> onnx.ModelProto:
    model = build_conv()
    model.graph.input[0].type.Clear()
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (break_cycle(), "form a circle: .*first.* which reads .*third"),
        (break_name(), "node two computes 'y', which is there already"),
        (break_input(), "node act reads 'lost', which nothing computes"),
        (break_extent(-3), "the input 'x' has the extent -3 along axis 2"),
        (break_extent(1 << 40), "the input 'x' has the extent 1099511627776"),
        (break_stored(-1), "the stored tensor 'w' has the shape -1×3×3×3"),
        (break_stored(1 << 40), "the stored tensor 'w' has the shape 1099511627776×3×3×3"),
        (break_stored(5), "the stored tensor 'w' cannot be read"),
        (break_without_input(), "has no input that could be followed"),
        (break_output(), "nothing computes the output 'z'"),
        (break_shape(), "nothing says the shape of what node own .com.acme:Own. gives; .* onnxslim or onnx.shape_inf"),
        (break_type(), "the input 'x' is no tensor whose number of axes is said"),
        (build_conv(group=2), r"node stem.conv.Conv .Conv.: a kernel of 4×3×3×3 with 2 groups does not fit 1×3×8×8"),
        (build_conv(pads=[1, 1]), "pads should be 4 numbers"),
        (build_conv(pads=[-9, 0, 0, 0]), "which is no shape of a value"),
        (build_conv(dilations=[1 << 40, 1]), "dilations should be 2 numbers from 1"),
        (build_conv(strides="two"), "the attribute strides should be a list of whole numbers"),
        (build_conv(kernel_shape=[5, 5]), "a window of 5×5 does not fit 3×3"),
        (build_two_operands(), r"node y .HardSigmoid.: takes 1 operands, found 2"),
    ],
)
def test_a_mistake_is_named_with_its_node(model: onnx.ModelProto, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        read_graph(save(model, tmp_path / "m.onnx"))
    assert str(caught.value).startswith(str(tmp_path / "m.onnx"))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello world, this is no model", "is not an ONNX file"),
        (b"\xff" * 99, "is not an ONNX file, or it is cut off"),
        (b"\x08\x08", "is not an ONNX file: it holds no graph"),
    ],
)
def test_what_is_no_model_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_graph(tmp_path / "m.onnx")


def test_places_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, message in (
        ("none", "does not exist"),
        (".", "is not a file"),
        ("pipe", "is not a file"),
        ("a\0", "NUL"),
    ):
        with pytest.raises(ModelError, match=message):
            read_graph(tmp_path / name)


def test_a_file_beyond_what_protobuf_holds(tmp_path: Path) -> None:
    with (tmp_path / "m.onnx").open("wb") as file:
        file.truncate(1 << 31)
    with pytest.raises(ModelError, match="an ONNX file ends at 2 GiB"):
        read_graph(tmp_path / "m.onnx")


def make_external(location: str) -> onnx.ModelProto:
    model = build_conv()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return model


@pytest.mark.parametrize(
    "location", ["w.bin", "../w.bin", "/etc/passwd", "..", "w.bin\0", "sub/w.bin", "pipe", "none.bin"]
)
def test_external_data_is_not_read(location: str, tmp_path: Path) -> None:
    """Wherever it would lie, and whatever is there."""
    (tmp_path / "w.bin").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    graph = read_graph(save(make_external(location), tmp_path / "m.onnx"))
    assert measure_cost(graph).parameters == KERNEL.size


def test_a_large_weight_must_have_its_bytes(tmp_path: Path) -> None:
    model = build_model(
        [helper.make_node("Gemm", ["x", "w"], ["y"])],
        {"x": [1, 64]},
        {"y": [1, 64]},
        {"w": np.ones((64, 64), np.float32)},
    )
    model.graph.initializer[0].dims[0] = 65
    with pytest.raises(ModelError, match="the tensor 'w' of 65×64 holds 16,384 bytes instead of 16,640"):
        read_graph(save(model, tmp_path / "m.onnx"))


def build_many(count: int) -> onnx.ModelProto:
    names = ["x", *(f"v{i}" for i in range(1, count)), "y"]
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in pairwise(names)]
    return build_model(nodes, {"x": [1, 3]}, {"y": [1, 3]})


def test_too_many_nodes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has 100,001 nodes; at most 100,000 are read"):
        read_graph(save(build_many(100_001), tmp_path / "m.onnx"))


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("ConstantOfShape", ["s"], ["c"]),
        helper.make_node("Expand", ["s", "s"], ["c"]),
        helper.make_node("Range", ["a", "s0", "a"], ["c"]),
        helper.make_node("Tile", ["x", "s"], ["c"]),
    ],
)
def test_numbers_that_would_fill_the_memory_are_not_computed(node: onnx.NodeProto, tmp_path: Path) -> None:
    huge = 1 << 30
    stored = {"s": np.array([huge, huge]), "s0": np.array(huge), "a": np.array(1)}
    relu = helper.make_node("Relu", ["x"], ["y"])
    model = build_model([relu, node], {"x": [1, 3]}, {"y": [1, 3], "c": [None]}, stored)
    assert (refuse(save(model, tmp_path / "m.onnx")) or "").isprintable()


def test_branches_are_unknown_and_functions_are_put_in_place(tmp_path: Path) -> None:
    """What they read from around them is an operand, so that paths lead through them."""
    result = helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 3])
    branch = helper.make_graph([helper.make_node("Relu", ["h"], ["z"])], "branch", [], [result])
    nodes = [
        helper.make_node("Relu", ["x"], ["h"]),
        helper.make_node("If", ["c"], ["i"], then_branch=branch, else_branch=branch),
        helper.make_node("Own", ["i"], ["y"], domain="own"),
    ]
    model = build_model(nodes, {"x": [1, 3]}, {"y": [1, 3]}, {"c": np.array(True)})
    model.graph.value_info.append(helper.make_tensor_value_info("i", TensorProto.FLOAT, [1, 3]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    inner = [helper.make_node("Relu", ["a"], ["b"])]
    model.functions.append(helper.make_function("own", "Own", ["a"], ["b"], inner, [helper.make_opsetid("", 17)]))
    graph = read_graph(save(model, tmp_path / "m.onnx"))
    assert find_unknown(graph) == {"If": 1}
    assert count_paths(graph).op.by_length == {3: 1}


def refuse(path: Path) -> str | None:
    """Why a file is not read; None where it is."""
    try:
        read_graph(path)
    except ModelError as error:
        return str(error)
    return None


def read_or_refuse(path: Path) -> bool:
    """Whether a file is read; where it is not, the message is one printable line of bounded length."""
    message = refuse(path)
    if message is None:
        graph = verify(read_graph(path))
        measure_cost(graph)
        count_paths(graph, by_length=False)
        return True
    assert message.isprintable()
    assert len(message) <= 1000
    return False


def flip_bytes(data: bytes, chance: random.Random) -> bytes:
    broken = bytearray(data)
    match chance.randrange(4):
        case 0:
            del broken[chance.randrange(len(broken)) :]
        case 1:
            start = chance.randrange(len(broken))
            del broken[start : start + chance.randrange(1, 40)]
        case _:
            for _ in range(chance.choice([1, 2, 8])):
                broken[chance.randrange(len(broken))] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
    return bytes(broken)


NUMBERS = [0, 1, -1, 2, 3, 7, 64, 255, 2**31 - 1, 2**31, -(2**31), 2**62, -(2**63)]


def change_fields(data: bytes, chance: random.Random) -> bytes:
    """Other numbers, names and operations where the format stays right."""
    model = onnx.ModelProto.FromString(data)
    node = chance.choice(model.graph.node)
    names = [name for other in model.graph.node for name in (*other.input, *other.output)]
    match chance.randrange(5):
        case 0:
            node.op_type = chance.choice(
                [other.op_type for other in model.graph.node] + ["Own", "If", "Range", "Expand"]
            )
        case 1 if node.input:
            node.input[chance.randrange(len(node.input))] = chance.choice(["", *names])
        case 2 if node.attribute:
            item = chance.choice(node.attribute)
            if item.ints:
                item.ints[chance.randrange(len(item.ints))] = chance.choice(NUMBERS)
            item.i = chance.choice(NUMBERS)
        case 3:
            tensor = chance.choice(model.graph.initializer)
            if tensor.dims:
                tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice(NUMBERS)
        case _:
            chance.choice(model.graph.input[0].type.tensor_type.shape.dim).dim_value = chance.choice(NUMBERS)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("change", [flip_bytes, change_fields])
def test_a_damaged_file_is_read_or_refused(change: Callable[[bytes, random.Random], bytes], tmp_path: Path) -> None:
    data, chance, path = build_small().SerializeToString(), random.Random(4), tmp_path / "m.onnx"
    path.write_bytes(data)
    assert read_or_refuse(path)
    read = 0
    for _ in range(700):
        path.write_bytes(change(data, chance))
        read += read_or_refuse(path)
    assert 0 < read < 700


def test_messages_hold_no_control_characters(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["gone"], ["y"], name="\x1b[31mred\n" * 400)
    with pytest.raises(ModelError) as caught:
        read_graph(save(build_model([node], {"x": [1, 3]}, {"y": [1, 3]}), tmp_path / "m.onnx"))
    assert str(caught.value).isprintable()
    assert len(re.sub(r"\s", "", str(caught.value))) <= 1000
