"""An infinite stored number fails a file where it is multiplied by, wherever it stands; where it is not it is noted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from archspec.api import verify_model
from archspec.arrays import Array
from runtime.verification.checks import Check
from runtime.verification.model.facts import read_facts
from runtime.verification.model.inside import ModelInside
from runtime.verification.static.stored_numbers import FACTORS, check_stored

Nodes = Sequence[onnx.NodeProto]
FLOAT, HALF, INF = TensorProto.FLOAT, TensorProto.FLOAT16, float("inf")
MASK = [0.0, -INF, 0.0]
make_node = helper.make_node


def tensor(value: Any, name: str) -> TensorProto:
    return numpy_helper.from_array(np.asarray(value, getattr(value, "dtype", np.float32)), name)


def save(
    folder: Path,
    nodes: Nodes,
    weights: dict[str, Any],
    shape: Sequence[int] = (2, 3),
    functions: Sequence[onnx.FunctionProto] = (),
) -> Path:
    x, y = (helper.make_tensor_value_info(name, FLOAT, extents) for name, extents in (("x", shape), ("y", None)))
    stored = [tensor(value, name) for name, value in weights.items()]
    opsets = [helper.make_opsetid(domain, version) for domain, version in (("", 17), ("com.microsoft", 1), ("own", 1))]
    graph = helper.make_graph(list(nodes), "g", [x], [y], stored)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=functions), folder / "m.onnx")
    return folder / "m.onnx"


def judge(path: Path) -> Check:
    inside = ModelInside(path)
    return check_stored(inside, read_facts(inside))


def kernel(number: float, at: int = 40) -> Array:
    array = np.linspace(-1, 1, 108, dtype=np.float32).reshape(4, 3, 3, 3)
    array.flat[at] = number
    return array


def test_one_infinite_number_of_a_kernel_fails(tmp_path: Path) -> None:
    node = make_node("Conv", ["x", "w"], ["y"], name="conv", pads=[1, 1, 1, 1])
    found = verify_model(save(tmp_path, [node], {"w": kernel(INF)}, (1, 3, 8, 8)))
    (failed,) = (check for check in found.checks if check.status == "failed")
    assert failed.name == "numbers"
    assert failed.text == (
        "1 of 108 numbers of 'w' are infinite, and conv (Conv) multiplies by them: with zero that is NaN, "
        "and no mask is multiplied by"
    )
    assert verify_model(save(tmp_path, [node], {"w": kernel(0.5)}, (1, 3, 8, 8))).passed


VECTOR, MATRIX = np.array([1, INF, 1], np.float32), np.eye(3, dtype=np.float32) + np.diag([0, INF, 0]).astype("f4")
ONES, EIGHT = np.ones(3, np.float32), np.zeros((), np.int8)
MANY = {"w": VECTOR, "one": ONES, "b": ONES * 0}
ROUND = [make_node("QuantizeLinear", ["x", "w", "z"], ["q"]), make_node("DequantizeLinear", ["q", "w", "z"], ["y"])]
STEPS: dict[str, Any] = {"w": np.float32(INF), "z": EIGHT}
RECURRENT = make_node("GRU", ["x", "w", "r"], ["", "y"], hidden_size=1)
NORM = make_node("BatchNormalization", ["x", "one", "b", "b", "w"], ["y"])
INTEGERS = [
    make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
    make_node("MatMulInteger", ["q", "k", "z"], ["i"]),
    make_node("Cast", ["i"], ["f"], to=FLOAT),
    make_node("Mul", ["s", "w"], ["both"]),
    make_node("Mul", ["f", "both"], ["y"]),
]


@pytest.mark.parametrize(
    ("nodes", "weights", "shape"),
    [
        ([make_node("Mul", ["x", "w"], ["y"])], {"w": VECTOR}, (2, 3)),
        ([make_node("Mul", ["w", "x"], ["y"])], {"w": np.float32(-INF)}, (2, 3)),
        ([make_node("MatMul", ["x", "w"], ["y"])], {"w": MATRIX}, (2, 3)),
        ([make_node("Gemm", ["x", "w", "b"], ["y"])], {"w": MATRIX, "b": ONES}, (2, 3)),
        ([make_node("ConvTranspose", ["x", "w"], ["y"])], {"w": np.full((3, 1, 2), INF, np.float32)}, (1, 3, 4)),
        ([make_node("Einsum", ["x", "w"], ["y"], equation="ij,jk->ik")], {"w": MATRIX}, (2, 3)),
        ([NORM], MANY, (2, 3, 4)),
        ([make_node("InstanceNormalization", ["x", "w", "b"], ["y"])], MANY, (2, 3, 4)),
        ([make_node("LayerNormalization", ["x", "w", "b"], ["y"])], MANY, (2, 3)),
        ([make_node("PRelu", ["x", "w"], ["y"])], MANY, (2, 3)),
        (ROUND, STEPS, (2, 3)),
        ([RECURRENT], {"w": np.full((1, 3, 3), INF, "f4"), "r": np.ones((1, 3, 1), "f4")}, (4, 2, 3)),
        (INTEGERS, {"k": np.eye(3, dtype=np.int8), "w": VECTOR}, (2, 3)),
        ([make_node("FusedMatMul", ["x", "w"], ["y"], domain="com.microsoft")], {"w": MATRIX}, (2, 3)),
    ],
    ids=lambda value: value[-1].op_type if isinstance(value, list) else "",
)
def test_what_multiplies_by_infinity_fails(
    nodes: Nodes, weights: dict[str, Any], shape: tuple[int, ...], tmp_path: Path
) -> None:
    check = judge(save(tmp_path, nodes, weights, shape))
    assert check.status == "failed"
    assert "numbers of 'w' are infinite" in check.text
    finite = {name: np.where(np.isinf(value), 1, value).astype(value.dtype) for name, value in weights.items()}
    assert judge(save(tmp_path, nodes, finite, shape)).status == "passed"


def pick(*path: onnx.NodeProto, to: str = "Add") -> list[onnx.NodeProto]:
    """The mask on its way to an Add, or to a Mul."""
    return [*path, make_node(to, ["x", path[-1].output[0] if path else "w"], ["y"], name="last")]


WAYS: dict[str, Nodes] = {
    "none": [],
    "half": [make_node("Cast", ["w"], ["h"], to=HALF), make_node("Cast", ["h"], ["v"], to=FLOAT)],
    "axes": [make_node("Unsqueeze", ["w", "zero"], ["u"]), make_node("Expand", ["u", "shape"], ["v"])],
    "shape": [make_node("Reshape", ["w", "shape1"], ["r"]), make_node("Transpose", ["r"], ["v"])],
    "part": [make_node("Concat", ["w", "w"], ["c"], axis=0), make_node("Slice", ["c", "zero", "three"], ["v"])],
    "row": [make_node("Unsqueeze", ["w", "zero"], ["u"]), make_node("Gather", ["u", "zero"], ["v"])],
    "sign": [make_node("Neg", ["w"], ["v"])],
    "scale": [make_node("Mul", ["scale", "w"], ["v"])],
    "pad": [make_node("Pad", ["w", "pads"], ["v"])],
    "constant": [make_node("Constant", [], ["v"], value_floats=MASK)],
    "filled": [make_node("ConstantOfShape", ["three"], ["v"], value=tensor([-INF], ""))],
}
HELP: dict[str, Any] = {
    "zero": np.array([0]),
    "three": np.array([3]),
    "shape": np.array([2, 3]),
    "shape1": np.array([3, 1]),
    "pads": np.array([0, 0]),
    "scale": np.float32(0.125),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_mask_is_added_and_not_multiplied_by(way: str, tmp_path: Path) -> None:
    weights = HELP | {"w": MASK if way not in ("constant", "filled") else ONES}
    shape = (3, 3) if way == "shape" else (2, 3)
    added, multiplied = (judge(save(tmp_path, pick(*WAYS[way], to=to), weights, shape)) for to in ("Add", "Mul"))
    assert (added.status, multiplied.status) == ("passed" if way == "filled" else "noted", "failed")
    assert "last (Mul) multiplies by them" in multiplied.text
    session = ort.InferenceSession(tmp_path / "m.onnx")
    assert np.isnan(session.run(None, {"x": np.zeros(shape, np.float32)})[0]).any()


LESS = make_node("Less", ["x", "zero"], ["less"])


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([LESS, make_node("Where", ["less", "w", "x"], ["y"])], {"zero": np.float32(0), "w": np.float32(-INF)}),
        ([make_node("Max", ["x", "w"], ["y"])], {"w": MASK}),
        ([make_node("Clip", ["x", "w"], ["y"])], {"w": np.float32(-INF)}),
        ([make_node("Pad", ["x", "pads", "w"], ["y"])], {"pads": np.array([0, 1, 0, 1]), "w": np.float32(-INF)}),
        ([make_node("Concat", ["x", "w"], ["y"], axis=0)], {"w": [MASK]}),
        ([make_node("Div", ["x", "w"], ["y"])], {"w": [1, INF, 1]}),
        ([make_node("Gemm", ["x", "w", "bias"], ["y"])], {"w": np.eye(3, dtype="f4"), "bias": MASK}),
        ([make_node("Add", ["x", "w"], ["a"]), make_node("Mul", ["a", "k"], ["y"])], {"w": MASK, "k": np.float32(2)}),
        (
            [
                make_node("Cast", ["w"], ["b"], to=TensorProto.BOOL),
                *pick(make_node("Cast", ["b"], ["v"], to=FLOAT), to="Mul"),
            ],
            {"w": MASK},
        ),
    ],
    ids=lambda value: value[-1].op_type if isinstance(value, list) else "",
)
def test_what_is_chosen_added_or_divided_by_is_noted(nodes: Nodes, weights: dict[str, Any], tmp_path: Path) -> None:
    path = save(tmp_path, nodes, weights)
    assert judge(path).status == "noted"
    session = ort.InferenceSession(path)
    assert not np.isnan(session.run(None, {"x": np.zeros((2, 3), np.float32)})[0]).any()


def build_branch(to: str, inner: bool) -> onnx.GraphProto:
    y = helper.make_tensor_value_info("z", FLOAT, None)
    stored = [tensor(MASK, "v")] if inner else []
    return helper.make_graph(
        [make_node(to, ["x", "v" if inner else "w"], ["z"], name=f"in_{to}")], "b", [], [y], stored
    )


def build_if(to: str, inner: bool) -> Nodes:
    branches = {name: build_branch(to, inner) for name in ("then_branch", "else_branch")}
    return [
        make_node("Constant", [], ["c"], value=tensor(np.array(True), "c")),
        make_node("If", ["c"], ["y"], **branches),
    ]


def give_by_if(to: str) -> Nodes:
    """The mask comes out of a branch."""
    z = helper.make_tensor_value_info("z", FLOAT, None)
    branch = helper.make_graph([make_node("Identity", ["w"], ["z"])], "b", [], [z])
    choice = make_node("If", ["c"], ["v"], then_branch=branch, else_branch=branch)
    return [make_node("Constant", [], ["c"], value=tensor(np.array(True), "c")), *pick(choice, to=to)]


def build_loop(to: str) -> Nodes:
    """The mask is what a loop begins with."""
    infos = [
        helper.make_tensor_value_info(name, kind, shape)
        for name, kind, shape in (
            ("i", TensorProto.INT64, []),
            ("go", TensorProto.BOOL, []),
            ("s", FLOAT, [3]),
            ("o", FLOAT, None),
        )
    ]
    nodes = [
        make_node("Identity", ["go"], ["on"]),
        make_node("Identity", ["s"], ["kept"]),
        make_node(to, ["x", "s"], ["o"], name=f"in_{to}"),
    ]
    ends = [
        helper.make_tensor_value_info("on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("kept", FLOAT, [3]),
    ]
    body = helper.make_graph(nodes, "body", infos[:3], [*ends, infos[3]])
    return [
        make_node("Constant", [], ["n"], value=tensor(np.array(2), "n")),
        make_node("Constant", [], ["c"], value=tensor(np.array(True), "c")),
        make_node("Loop", ["n", "c", "w"], ["", "y"], body=body),
    ]


@pytest.mark.parametrize("to", ["Add", "Mul"])
@pytest.mark.parametrize("kind", ["captured", "inner", "given", "loop"])
def test_branches_and_loops_are_followed(kind: str, to: str, tmp_path: Path) -> None:
    nodes = {
        "captured": lambda: build_if(to, False),
        "inner": lambda: build_if(to, True),
        "given": lambda: give_by_if(to),
        "loop": lambda: build_loop(to),
    }[kind]()
    check = judge(save(tmp_path, nodes, {"w": ONES if kind == "inner" else MASK}))
    assert check.status == ("failed" if to == "Mul" else "noted")
    assert to == "Add" or "1 of 3 numbers of" in check.text


OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
FUNCTIONS = [  # callers first
    helper.make_function(
        "own", "Outer", ["a", "b"], ["c"], [make_node("Times", ["a", "b"], ["c"], domain="own")], OPSETS
    ),
    helper.make_function("own", "Times", ["a", "b"], ["c"], [make_node("Mul", ["a", "b"], ["c"], name="deep")], OPSETS),
    helper.make_function("own", "Same", ["a"], ["b"], [make_node("Identity", ["a"], ["b"])], OPSETS),
    helper.make_function(
        "own",
        "Own",
        ["a"],
        ["c"],
        [make_node("Constant", [], ["k"], value_floats=MASK), make_node("Mul", ["a", "k"], ["c"])],
        OPSETS,
    ),
]


@pytest.mark.parametrize(
    ("nodes", "failed"),
    [
        ([make_node("Outer", ["x", "w"], ["y"], domain="own")], True),
        ([make_node("Outer", ["x", "ones"], ["a"], domain="own"), make_node("Add", ["a", "w"], ["y"])], False),
        ([make_node("Same", ["w"], ["v"], domain="own"), make_node("Mul", ["x", "v"], ["y"])], True),
        (
            [
                make_node("Same", ["w"], ["v"], domain="own"),
                make_node("Same", ["ones"], ["one"], domain="own"),
                make_node("Mul", ["x", "one"], ["a"]),
                make_node("Add", ["a", "v"], ["y"]),
            ],
            False,
        ),
        ([make_node("Own", ["x"], ["y"], domain="own")], True),
    ],
    ids=["multiplies", "multiplies another", "gives", "gives each its own", "holds"],
)
def test_functions_are_followed_for_each_call(nodes: Nodes, failed: bool, tmp_path: Path) -> None:
    check = judge(save(tmp_path, nodes, {"w": MASK, "ones": ONES}, functions=FUNCTIONS if failed else FUNCTIONS[:3]))
    assert check.status == ("failed" if failed else "noted")


def test_functions_that_call_others_twice_take_no_longer(tmp_path: Path) -> None:
    """2^60 calls, were they followed one by one."""
    functions = [helper.make_function("own", "F0", ["a", "b"], ["c"], [make_node("Add", ["a", "b"], ["c"])], OPSETS)]
    for n in range(60):
        twice = [
            make_node(f"F{n}", ["a", "b"], ["d"], domain="own"),
            make_node(f"F{n}", ["d", "b"], ["c"], domain="own"),
        ]
        functions.append(helper.make_function("own", f"F{n + 1}", ["a", "b"], ["c"], twice, OPSETS))
    path = save(tmp_path, [make_node("F60", ["x", "w"], ["y"], domain="own")], {"w": MASK}, functions=functions)
    assert judge(path).status == "noted"
    functions[0].node[0].op_type = "Mul"
    path = save(tmp_path, [make_node("F60", ["x", "w"], ["y"], domain="own")], {"w": MASK}, functions=functions)
    assert judge(path).status == "failed"


@pytest.mark.parametrize("name", sorted(FACTORS))
def test_factors_are_operands_that_there_are(name: str) -> None:
    """By ONNX's schemas, or ONNX Runtime's."""
    try:
        most = onnx.defs.get_schema(name).max_input
    except onnx.defs.SchemaError:
        most = next(
            item.max_input
            for item in ort.capi.onnxruntime_pybind11_state.get_all_operator_schema()
            if item.name == name
        )
    assert max(FACTORS[name]) < most


def test_a_constant_of_the_callers_is_nothing_that_is_stored(tmp_path: Path) -> None:
    """What a function takes as an attribute stands with its caller."""
    constant = make_node("Constant", [], ["k"])
    constant.attribute.add(name="value", ref_attr_name="k", type=onnx.AttributeProto.TENSOR)
    nodes = [constant, make_node("Add", ["a", "k"], ["c"])]
    function = helper.make_function("own", "Given", ["a"], ["c"], nodes, OPSETS, attributes=["k"])
    node = make_node("Given", ["x"], ["y"], domain="own", k=tensor(ONES, ""))
    path = save(tmp_path, [node], {"w": MASK}, functions=[function])
    assert judge(path).status == "noted"
    assert list(ModelInside(path).tensors) == ["w"]
    constant.attribute[0].CopyFrom(helper.make_attribute("value", tensor(ONES, "")))  # the control
    function = helper.make_function("own", "Given", ["a"], ["c"], nodes, OPSETS, attributes=["k"])
    assert list(ModelInside(save(tmp_path, [node], {"w": MASK}, functions=[function])).tensors) == ["w", "k"]


@pytest.mark.parametrize("variance", [-0.1, -1e-5], ids=["negative", "minus epsilon"])
def test_a_variance_without_a_root_fails(variance: float, tmp_path: Path) -> None:
    """Its channel is NaN or infinite for every input, also where a later node hides that."""
    nodes = [make_node("BatchNormalization", ["x", "one", "b", "b", "v"], ["n"], name="norm")]
    nodes.append(make_node("Min", ["n", "one"], ["y"]))

    def save_with(number: float) -> Path:
        return save(tmp_path, nodes, {"one": ONES, "b": ONES * 0, "v": np.array([1, number, 2], np.float32)})

    with np.errstate(all="ignore"):
        assert not np.isfinite(ONES / np.sqrt(np.float32(variance) + np.float32(1e-5))).any()
    found = judge(save_with(variance))
    assert found.status == "failed"
    assert "1 of 3 variances 'v' of norm (BatchNormalization) are below zero, or zero, with its epsilon" in found.text
    assert judge(save_with(-5e-6)).status == "passed"
