"""Outputs that are not finite are right where double precision has them too, and wrong where a type makes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from archspec.api import verify_model
from archspec.arrays import Array
from compiler.onnx_file.metadata import CONTENT
from runtime.verification.checks import Check, UnansweredError
from runtime.verification.model.inside import ModelInside
from runtime.verification.report import Verification
from runtime.verification.runs.nonfinite import explain_nonfinite, find_empty, find_silent, meet_silent, tell_nonfinite
from runtime.verification.witness import double_precision
from runtime.verification.witness.witness import Witness

Nodes = Sequence[onnx.NodeProto]
FLOAT, HALF, BRAIN, DOUBLE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE
INF = float("inf")
MASK = [0.0] * 20 + [-INF] * 10
make_node = helper.make_node


def save(folder: Path, nodes: Nodes, weights: dict[str, Any] | None = None, kind: int = FLOAT, opset: int = 17) -> Path:
    """From x to y, (N, 30) each; weights are of the same type."""
    ends = [helper.make_tensor_value_info(name, kind, ["N", 30]) for name in "xy"]
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    with np.errstate(over="ignore"):
        stored = [numpy_helper.from_array(np.array(value, dtype), name) for name, value in (weights or {}).items()]
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph(list(nodes), "g", ends[:1], ends[1:], stored)
    path = folder / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def row(found: Verification) -> Check:
    return next(check for check in found.checks if check.name == "x 1 × 30")


def branch(kind: str) -> onnx.GraphProto:
    return helper.make_graph(
        [make_node(kind, ["x"], ["z"])], kind, [], [helper.make_tensor_value_info("z", FLOAT, None)]
    )


SCALE = make_node("Mul", ["x", "k"], ["a"])
MASKED = make_node("Add", ["x", "mask"], ["y"], name="add")
LOWEST = make_node("Constant", [], ["low"], value=numpy_helper.from_array(np.array(-INF, np.float32), "low"))
CHOICE = [
    make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
    make_node("Less", ["sum", "k"], ["less"]),
    make_node("If", ["less"], ["y"], name="if", then_branch=branch("Sqrt"), else_branch=branch("Log")),
]


RELU, LOG = make_node("Relu", ["x"], ["a"]), make_node("Log", ["a"], ["y"], name="log")
EXP, BEHIND = make_node("Exp", ["a"], ["b"], name="exp"), make_node("Sub", ["b", "b"], ["y"])
SELECT = [LOWEST, make_node("Less", ["x", "k"], ["less"]), make_node("Where", ["less", "low", "x"], ["y"])]


@pytest.mark.parametrize(
    ("nodes", "weights", "told"),
    [
        ([RELU, LOG], {}, "are infinite by definition: log (Log)"),
        ([RELU, make_node("Div", ["a", "a"], ["y"], name="div")], {}, "are NaN by definition: div (Div)"),
        ([MASKED], {"mask": MASK}, "10 of 30 numbers of the output 'y' are infinite by definition: 'mask' holds such"),
        (SELECT, {"k": 0}, "are infinite by definition: low (Constant)"),
        ([SCALE, EXP, make_node("Relu", ["b"], ["y"])], {"k": 1000}, "are infinite by definition: exp (Exp)"),
        ([SCALE, EXP, BEHIND], {"k": 1000}, "are NaN by definition: exp (Exp)"),
        (CHOICE, {"k": 1000}, "are NaN by definition: if (If)"),
    ],
    ids=["log 0", "0 / 0", "mask", "constant", "exp", "behind exp", "branch"],
)
def test_what_double_precision_has_too_is_noted(
    nodes: Nodes, weights: dict[str, Any], told: str, tmp_path: Path
) -> None:
    found = verify_model(save(tmp_path, nodes, weights))
    assert found.passed, found.checks
    assert row(found).status == "noted"
    assert told in row(found).text
    assert "onnx.reference agrees to" in row(found).text


MUL, TWICE = make_node("Mul", ["x", "k"], ["y"], name="mul"), make_node("Mul", ["a", "k"], ["y"])
CAST = [SCALE, make_node("Cast", ["a"], ["b"], to=HALF), make_node("Cast", ["b"], ["y"], to=FLOAT)]
ENDS = "mul (Mul) has -1.39e+05 in double precision, and float16 ends at 65504"


@pytest.mark.parametrize(
    ("nodes", "weights", "kind", "told"),
    [
        ([MUL], {"k": 6e4}, HALF, ENDS),
        ([SCALE, make_node("Add", ["a", "mask"], ["y"])], {"k": 6e4, "mask": MASK}, HALF, "where a (Mul) has"),
        ([SCALE, make_node("Exp", ["a"], ["y"])], {"k": 1000}, HALF, "where y (Exp) has"),
        ([SCALE, TWICE], {"k": 1e30}, BRAIN, "in double precision, and bfloat16 ends at 3.40282e+38"),
        ([SCALE, TWICE], {"k": 1e30}, FLOAT, "y (Mul) has -2.33e+60 in double precision, and float32 ends"),
        ([SCALE, make_node("Exp", ["a"], ["y"])], {"k": 100}, FLOAT, "y (Exp) has 2.21e+59 in double precision"),
        (CAST, {"k": 6e4}, FLOAT, "where b (Cast) has -1.4e+05"),
    ],
    ids=["half", "half, masked", "half, exp", "brain", "float", "float, exp", "cast"],
)
def test_what_is_lost_to_a_type_fails(
    nodes: Nodes, weights: dict[str, Any], kind: int, told: str, tmp_path: Path
) -> None:
    found = verify_model(save(tmp_path, nodes, weights, kind))
    assert (found.passed, row(found).status) == (False, "failed")
    assert told in row(found).text
    control = verify_model(save(tmp_path, nodes, {**weights, "k": 1e-3}, kind))
    assert control.passed, control.checks


def test_a_mask_that_was_finite_in_a_wider_type_is_one(tmp_path: Path) -> None:
    """As converters to half precision store it."""
    found = verify_model(save(tmp_path, [MASKED], {"mask": [0.0] * 29 + [-1e9]}, HALF))
    assert found.passed, found.checks
    assert "1 of 30 numbers of the output 'y' are infinite by definition: 'mask'" in row(found).text


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([make_node("Sub", ["x", "x"], ["a"]), make_node("Div", ["a", "a"], ["y"])], {}),
        ([make_node("Add", ["x", "mask"], ["a"]), make_node("Softmax", ["a"], ["y"])], {"mask": [-INF] * 30}),
        ([make_node("Add", ["x", "k"], ["y"])], {"k": INF}),
    ],
    ids=["0 / 0", "all masked", "infinite bias"],
)
def test_where_nothing_is_finite_nothing_is_proven(nodes: Nodes, weights: dict[str, Any], tmp_path: Path) -> None:
    found = verify_model(save(tmp_path, nodes, weights))
    assert (found.passed, row(found).status) == (False, "noted")
    assert "30 of 30 numbers of the output 'y' are" in row(found).text
    assert "nothing of 'y' could be compared" in row(found).text
    assert "batch" not in {check.name for check in found.checks}
    failed = [(check.name, check.text) for check in found.checks if check.status == "failed"]
    assert failed == [("compared", "no number of the output 'y' is finite: nothing is proven")]


def test_what_is_finite_in_one_run_is_enough(tmp_path: Path) -> None:
    """Of a single sample nothing is left, of three something."""
    nodes = [make_node("ReduceMax", ["x"], ["most"], axes=[0]), make_node("Sub", ["x", "most"], ["a"])]
    found = verify_model(save(tmp_path, [*nodes, make_node("Log", ["a"], ["b"]), make_node("Neg", ["b"], ["y"])]))
    assert "compared" in {check.name for check in found.checks}
    found = verify_model(save(tmp_path, [*nodes, make_node("Div", ["x", "a"], ["y"])]))
    assert "30 of 30 numbers of the output 'y' are infinite" in row(found).text
    assert found.passed, found.checks


def test_sequences_are_followed(tmp_path: Path) -> None:
    nodes = [
        make_node("Log", ["x"], ["a"], name="log"),
        make_node("SequenceConstruct", ["x", "a"], ["s"]),
        make_node("SequenceAt", ["s", "place"], ["y"]),
    ]
    path = save(tmp_path, nodes)
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.array(1), "place"))
    onnx.save(model, path)
    why = explain_nonfinite(ModelInside(path), {"x": -np.ones((1, 30), np.float32)})
    assert why.reason == "by definition: log (Log) gives such in double precision too"


@pytest.mark.parametrize("change", ["other", "finite", "elsewhere", "kind"])
def test_what_is_not_finite_in_one_run_alone_fails(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lie(self: Witness, feed: dict[str, Array]) -> tuple[str, dict[str, Array]]:
        y = feed["x"] + np.array(MASK, np.float32)
        place, number = {"other": (3, 0.5), "finite": (25, 0.5), "elsewhere": (3, -INF), "kind": (25, np.nan)}[change]
        y[0, place] = number
        return "a liar", {"y": y}

    path = save(tmp_path, [MASKED], {"mask": MASK})
    assert verify_model(path).passed
    monkeypatch.setattr(Witness, "run", lie)
    monkeypatch.setattr(Witness, "run_plain", lie)
    found = verify_model(path)
    assert (found.passed, row(found).status) == (False, "failed")
    told = (
        "differs from a liar by" if change == "other" else "1 of 30 numbers of the output 'y' are infinite or NaN where"
    )
    assert told in row(found).text


@pytest.mark.parametrize("factor", [1.0, 1e38])
def test_what_the_reference_has_not_is_not_judged(factor: float, tmp_path: Path) -> None:
    """An operation of ONNX Runtime's own that overflows."""
    node = make_node("FusedMatMul", ["x", "k"], ["y"], domain="com.microsoft", name="mul", alpha=factor)
    path = save(tmp_path, [node], {"k": 1e3 * np.eye(30)})
    if factor == 1:
        assert verify_model(path).passed
        return
    told = r"mul \(FusedMatMul\) makes numbers that are not finite of finite ones, and cannot be computed in double"
    with pytest.raises(UnansweredError, match=told):
        verify_model(path)

    model = onnx.load(path)  # what is bad for another reason is bad, whatever is not told
    helper.set_model_props(model, {CONTENT: f"xxh3:{'0' * 32}"})
    onnx.save(model, path)
    found = verify_model(path)
    assert [check.name for check in found.checks if check.status == "failed"] == ["content"]
    assert re.match(f"not told: .*{told}", found.checks[-1].text)


def test_causes_are_found_beyond_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few values are read together, and whatever stands between."""
    nodes = [make_node("Log", ["x"], ["v0"], name="log")]
    nodes += [make_node("Identity", [f"v{i}"], [f"v{i + 1}"]) for i in range(9)]
    nodes += [make_node("Sqrt", ["x"], ["root"], name="root"), make_node("Add", ["v9", "root"], ["y"])]
    monkeypatch.setattr("runtime.verification.runs.nonfinite.MAX_VALUES", 3)
    inside = ModelInside(save(tmp_path, nodes))
    why = explain_nonfinite(inside, {"x": -np.ones((1, 30), np.float32)})
    assert not why.lost
    assert why.reason.endswith("gives such in double precision too, and 1 other alike")
    assert "no node makes them" in explain_nonfinite(inside, {"x": np.ones((1, 30), np.float32)}).reason


def test_what_is_not_finite_is_counted() -> None:
    fine, wild = np.ones((2, 2), np.float32), np.array([1, INF, np.nan, -INF])
    assert tell_nonfinite({"a": fine, "b": np.array([1, 2])}) is None
    assert tell_nonfinite({"a": fine, "b": wild}) == "3 of 4 numbers of the output 'b' are infinite or NaN"
    assert (
        tell_nonfinite({"b": wild.astype(ml_dtypes.bfloat16)}) == "3 of 4 numbers of the output 'b' are infinite or NaN"
    )
    assert not find_empty({"a": fine, "b": wild, "c": np.zeros(0), "d": np.zeros(3, int)})
    assert find_empty({"a": fine, "b": wild[1:]}) == {"b"}


def store(name: str, *numbers: float) -> onnx.NodeProto:
    return make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(numbers, np.float32), name))


SHIFT = [store("low", *[1.0] * 29, -1.0), make_node("Sqrt", ["low"], ["root"], name="root")]
PICKED = [*SHIFT, make_node("IsNaN", ["root"], ["bad"]), make_node("Where", ["bad", "low", "root"], ["good"])]


@pytest.mark.parametrize("kind", ["Sqrt", "Log"])
def test_nan_of_stored_numbers_alone_fails(kind: str, tmp_path: Path) -> None:
    """No input changes it, and double precision has no other."""
    makes = make_node(kind, ["shifted"], ["root"], name="root")
    behind = [makes, make_node("Add", ["x", "root"], ["y"])]
    nodes = [store("low", *[1.0] * 29, -1.0), make_node("Identity", ["low"], ["shifted"]), *behind]
    found = verify_model(save(tmp_path, nodes))
    assert (found.passed, row(found).status) == (False, "failed")
    assert f"are NaN where root ({kind}) makes NaN of stored numbers, whatever the input is" in row(found).text
    nodes[0] = store("low", *[1.0] * 30)
    assert verify_model(save(tmp_path, nodes)).passed


def test_nan_that_no_output_takes_from_stored_numbers_is_none(tmp_path: Path) -> None:
    found = verify_model(save(tmp_path, [*PICKED, make_node("Add", ["x", "good"], ["y"])]))
    assert found.passed
    assert row(found).status == "passed"


def test_a_channel_that_is_never_finite_is_noted(tmp_path: Path) -> None:
    """In no run and for inputs of no reach; one that is finite somewhere is compared there."""
    found = verify_model(save(tmp_path, [MASKED], {"mask": MASK}))
    assert found.passed
    (said,) = (check for check in found.checks if check.name == "compared")
    assert said.status == "noted"
    assert said.text == (
        "10 channels, from 20 on, of 30 of the output 'y' have no finite number in any run: nothing is proven of them"
    )
    for nodes, weights in (([RELU, LOG], {}), ([MASKED], {"mask": [0.0] * 30})):
        assert all(check.name != "compared" for check in verify_model(save(tmp_path, nodes, weights)).checks)


def test_channels_are_met_by_their_places() -> None:
    nan = np.nan
    wild = {"a": np.array([[1, nan, nan], [nan, nan, 2]]), "b": np.array([nan, 1]), "c": np.zeros((2, 3))}
    silent = find_silent(wild)
    assert {name: channels.tolist() for name, channels in silent.items()} == {"a": [False, True, False]}
    assert meet_silent(silent, find_silent({"a": np.full((1, 3), nan)})).keys() == {"a"}
    assert not meet_silent(silent, find_silent({"a": np.array([[nan, 1, nan]])}))
    assert not meet_silent(silent, find_silent({"a": np.full((1, 2), nan)}))  # it is no axis of channels


def loop(condition: str) -> list[onnx.NodeProto]:
    """Once around: y is the logarithm of what is above zero of x."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [make_node("Identity", ["go"], ["on"]), make_node("Log", ["p"], ["q"])],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("p", FLOAT, None)],
        [value("on", TensorProto.BOOL, []), value("q", FLOAT, None)],
    )
    once = make_node("Constant", [], ["once"], value_int=1)
    true = make_node("Constant", [], ["true"], value=numpy_helper.from_array(np.array(True), "true"))
    return [RELU, once, true, make_node("Loop", ["once", condition, "a"], ["y"], name="loop", body=body)]


def test_what_is_wrong_in_its_own_type_says_nothing_in_double_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """onnx.reference does not run a loop without a condition, and gives what goes into it: 0 for the logarithm of 0."""
    bare = save(tmp_path, loop(""))
    (skipped,) = ReferenceEvaluator(onnx.load(bare)).run(None, {"x": np.full((1, 30), -1, np.float32)})
    assert np.array_equal(np.asarray(skipped), np.zeros((1, 30)))  # else the fault is gone, and its row goes too
    with pytest.raises(UnansweredError, match="wrong on loops without a condition"):
        verify_model(bare)
    monkeypatch.setattr("runtime.verification.witness.double_precision.find_fault", lambda model: None)
    with pytest.raises(UnansweredError, match="something else for 'y' in the file's own type too"):
        verify_model(bare)
    told = verify_model(save(tmp_path, loop("true")))
    assert told.passed, told.checks
    assert "are infinite by definition: loop (Loop)" in row(told).text


def test_a_shape_that_only_double_precision_has_gives_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = double_precision._evaluate

    def cut(alone: onnx.ModelProto, feed: dict[str, Any]) -> dict[str, Any]:
        found = evaluate(alone, feed)
        return {name: value[:, 1:] if value.dtype == np.float64 else value for name, value in found.items()}

    path = save(tmp_path, [RELU, LOG])
    assert verify_model(path).passed
    monkeypatch.setattr(double_precision, "_evaluate", cut)
    with pytest.raises(UnansweredError, match="'y' has another shape there"):
        verify_model(path)


def test_values_that_no_array_holds_give_no_verdict(tmp_path: Path) -> None:
    """Numbers of eight bits have infinities, but are no type of numpy's."""

    def cast(kind: int, **options: Any) -> Path:
        nodes = [RELU, make_node("Log", ["a"], ["b"]), make_node("Cast", ["b"], ["c"], to=kind, **options)]
        return save(tmp_path, [*nodes, make_node("Cast", ["c"], ["y"], to=FLOAT)], opset=19)

    with pytest.raises(UnansweredError, match=r"it cannot be looked at why numbers are not finite: .*Float8E5M2"):
        verify_model(cast(TensorProto.FLOAT8E5M2, saturate=0))
    assert verify_model(cast(DOUBLE)).passed
