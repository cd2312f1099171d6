"""What a verification must be able to say of a file that is not sound, each beside a sound one of which it must not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archspec.api import verify_model
from archspec.errors import ArchspecError
from runtime.session.session import Session
from runtime.verification.checks import Check, Choice, Verification
from runtime.verification.feeds import Feeds
from runtime.verification.inside import ModelInside

Extents = Sequence[int | str | None]
FLOAT = TensorProto.FLOAT
make_node = helper.make_node


def save(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Extents],
    outputs: dict[str, Extents],
    weights: dict[str, Any] | None = None,
    kind: int = FLOAT,
    opset: int = 17,
    gives: int | None = None,
) -> Path:
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, gives or kind, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()],
    )
    preview = helper.make_opsetid("ai.onnx.preview.training", 1)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), preview], ir_version=8)
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def row(found: Verification, name: str) -> Check:
    return next(check for check in found.checks if check.name == name)


RELU = [make_node("Relu", ["x"], ["y"])]
FLATTENED = [make_node("Reshape", ["x", "all"], ["a"]), make_node("ReduceMean", ["a"], ["y"], axes=[1])]
DOUBLED = [make_node("Concat", ["x", "x"], ["y"], axis=1)]


@pytest.mark.parametrize(
    ("nodes", "declared", "told"),
    [
        (RELU, ["N", 4], None),
        (RELU, ["samples", 4], None),
        (RELU, [None, None], None),
        (RELU, [-1, 4], None),  # to ONNX Runtime an extent that is free
        (DOUBLED, ["N", 8], None),
        (RELU, [1, 4], r"'y' is \(3, 4\), declared as \(1, 4\) where N is 3 in the input 'x'"),
        (RELU, ["N", "N"], r"'y' is \(1, 4\), declared as \(N, N\)"),
        (FLATTENED, ["N", 1], r"'y' is \(1, 1\), declared as \(N, 1\) where N is 3"),
        (DOUBLED, ["N", "N"], r"'y' is \(1, 8\), declared as \(N, N\)"),
    ],
)
def test_declared_shapes_hold(nodes: list[onnx.NodeProto], declared: Extents, told: str | None, tmp_path: Path) -> None:
    path = save(tmp_path, nodes, {"x": ["N", 4]}, {"y": declared}, {"all": np.array([1, -1])})
    found = verify_model(path)
    shapes = row(found, "shapes")
    assert shapes.status == ("failed" if told else "passed")
    assert found.passed == (told is None)
    if told:
        assert re.search(told, shapes.text), shapes.text


def test_names_are_alike_in_one_run(tmp_path: Path) -> None:
    """Two outputs that name an extent alike, and have not the same."""
    nodes = [*RELU, make_node("Concat", ["x", "x"], ["z"], axis=1)]
    lying = verify_model(save(tmp_path, nodes, {"x": ["N", 4]}, {"y": ["N", "K"], "z": ["N", "K"]}))
    assert row(lying, "shapes").status == "failed"
    assert "K is 4 in the output 'y'" in row(lying, "shapes").text
    assert verify_model(save(tmp_path, nodes, {"x": ["N", 4]}, {"y": ["N", "K"], "z": ["N", "L"]})).passed


@pytest.mark.parametrize(("declared", "passed"), [(["N", 4], True), (["N", 5], False)])
def test_an_output_may_be_declared_twice(declared: Extents, passed: bool, tmp_path: Path) -> None:
    """And each time has to be true."""
    path = save(tmp_path, RELU, {"x": ["N", 4]}, {"y": declared})
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info("y", FLOAT, ["N", 4]))
    onnx.save(model, path)
    assert list(Session(path, providers=["cpu"]).run(np.ones((2, 4), np.float32))) == ["y"]
    found = verify_model(path)
    assert (found.passed, row(found, "x 3 × 4").status) == (passed, "passed")
    assert row(found, "shapes").status == ("passed" if passed else "failed")


CENTRED = [make_node("ReduceMean", ["x"], ["mean"], axes=[0]), make_node("Sub", ["x", "mean"], ["y"])]


@pytest.mark.parametrize(
    ("nodes", "axis", "status"),
    [
        (RELU, "N", "passed"),
        (RELU, "time", "passed"),
        (RELU, 4, "passed"),
        (RELU, 1, "noted"),
        (CENTRED, "N", "noted"),
        (CENTRED, "batch_size", "failed"),
        (CENTRED, "time", "noted"),
        (CENTRED, None, "noted"),
        (CENTRED, 4, "noted"),
    ],
)
def test_a_sample_has_the_same_answer_alone(
    nodes: list[onnx.NodeProto], axis: int | str | None, status: str, tmp_path: Path
) -> None:
    """A time, or channels, come first in some sound files, and their answers hang together."""
    found = verify_model(save(tmp_path, nodes, {"x": [axis, 3]}, {"y": [axis, 3]}))
    batch = row(found, "batch")
    assert (batch.status, found.passed) == (status, status != "failed")
    if nodes is CENTRED:
        assert "depend on what else is" in batch.text


@pytest.mark.parametrize("axis", ["N", "batch"])
def test_an_axis_that_stands_twice_is_none_of_samples(axis: str, tmp_path: Path) -> None:
    """A table of similarities has as many columns as samples."""
    nodes = [make_node("Transpose", ["x"], ["t"]), make_node("MatMul", ["x", "t"], ["y"])]
    found = verify_model(save(tmp_path, nodes, {"x": [axis, 4]}, {"y": [axis, axis]}))
    assert (row(found, "batch").status, found.passed) == ("noted", True)
    assert (
        f"not looked at: the first axis of the inputs, {axis}, is another axis of 'y' too" in row(found, "batch").text
    )
    nodes = [make_node("MatMul", ["x", "z"], ["y"])]
    found = verify_model(save(tmp_path, nodes, {"x": [axis, 4], "z": [4, axis]}, {"y": [axis, None]}))
    assert (row(found, "batch").status, found.passed) == ("noted", True)
    alone = verify_model(save(tmp_path, CENTRED, {"x": ["batch", 4]}, {"y": ["batch", 4]}))
    assert (row(alone, "batch").status, alone.passed) == ("failed", False)


def test_what_gives_no_array_is_not_judged(tmp_path: Path) -> None:
    path = save(tmp_path, [make_node("SplitToSequence", ["x"], ["y"])], {"x": [2, 4]}, {"y": [1]})
    model = onnx.load(path)
    model.graph.output[0].CopyFrom(helper.make_tensor_sequence_value_info("y", FLOAT, None))
    onnx.save(model, path)
    with pytest.raises(ArchspecError, match="gives sequence_type in 'y', and verify compares arrays alone"):
        verify_model(path)


def test_what_onnx_runtime_has_no_kernel_for_is_not_judged(tmp_path: Path) -> None:
    """It has one of Erf for float32 alone."""
    nodes = [make_node("Erf", ["x"], ["y"])]
    assert verify_model(save(tmp_path, nodes, {"x": [2, 4]}, {"y": [2, 4]})).passed
    with pytest.raises(
        ArchspecError, match=r"no kernel for that in this type.* sound to onnx's checker, and was not run"
    ):
        verify_model(save(tmp_path, nodes, {"x": [2, 4]}, {"y": [2, 4]}, kind=TensorProto.DOUBLE))


def make_packed(kind: int, numbers: bytes, extent: int) -> onnx.TensorProto:
    return TensorProto(name="w", data_type=kind, dims=[extent], raw_data=numbers)


@pytest.mark.parametrize("extent", [4, 5])
@pytest.mark.parametrize(
    "kind", [TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E5M2]
)
def test_packed_numbers_may_lie_in_another_file(kind: int, extent: int, tmp_path: Path) -> None:
    packed = bytes(range(1, 1 + (extent if "FLOAT8" in TensorProto.DataType.Name(kind) else (extent + 1) // 2)))
    nodes = [make_node("Cast", ["w"], ["f"], to=FLOAT), make_node("Mul", ["x", "f"], ["y"])]
    model = onnx.load(save(tmp_path, nodes, {"x": ["N", extent]}, {"y": ["N", extent]}, opset=21))
    model.ir_version = 10
    model.graph.initializer.append(make_packed(kind, packed, extent))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0, location="m.data")
    found = verify_model(tmp_path / "m.onnx")
    assert found.passed
    assert f"1 stored tensors of {extent} numbers" in row(found, "numbers").text
    assert "onnx.reference agrees" in row(found, f"x 1 × {extent}").text


def test_no_numbers_may_lie_in_another_file(tmp_path: Path) -> None:
    nodes = [make_node("Concat", ["x", "w"], ["y"], axis=1)]
    path = save(tmp_path, nodes, {"x": [2, 4]}, {"y": [2, 4]}, {"w": np.zeros((2, 0), np.float32)})
    onnx.save(onnx.load(path), path, save_as_external_data=True, size_threshold=0, location="m.data")
    assert onnx.load(path, load_external_data=False).graph.initializer[0].external_data
    assert verify_model(path).passed


def test_which_axis_is_the_batch_may_not_be_said(tmp_path: Path) -> None:
    found = verify_model(
        save(tmp_path, [make_node("Add", ["x", "w"], ["y"])], {"x": ["N", 4], "w": ["K", 4]}, {"y": ["N", 4]})
    )
    assert row(found, "batch").status == "noted"
    assert "first axes are N of x, K of w" in row(found, "batch").text


SCALES = {"s": np.ones(3, np.float32), "b": np.zeros(3, np.float32), "v": np.ones(3, np.float32)}
NORM = {"inputs": ["x", "s", "b", "b", "v"], "name": "bn"}
SHARE, YES, NO = np.array(0.5, np.float32), np.array(True), np.array(False)


@pytest.mark.parametrize(
    ("node", "weights", "opset", "told"),
    [
        (make_node("BatchNormalization", outputs=["y"], **NORM), SCALES, 17, None),
        (make_node("BatchNormalization", outputs=["y"], training_mode=0, **NORM), SCALES, 17, None),
        (make_node("BatchNormalization", outputs=["y", "m", "n"], training_mode=1, **NORM), SCALES, 17, "bn (Batch"),
        (make_node("BatchNormalization", outputs=["y"], **NORM), SCALES, 9, None),
        (make_node("BatchNormalization", outputs=["y", "m", "n", "o", "p"], **NORM), SCALES, 9, "bn (Batch"),
        (make_node("Dropout", ["x"], ["y"]), {}, 17, None),
        (make_node("Dropout", ["x", "r", "t"], ["y"]), {"r": SHARE, "t": NO}, 17, None),
        (make_node("Dropout", ["x", "r", "t"], ["y"]), {"r": 0 * SHARE, "t": YES}, 17, None),
        (make_node("Dropout", ["x", "r", "t"], ["y"]), {"r": SHARE, "t": YES}, 17, "y (Dropout)"),
        (make_node("Dropout", ["x", "", "t"], ["y"]), {"t": YES}, 17, "y (Dropout)"),
    ],
)
def test_nothing_is_left_in_training_mode(
    node: onnx.NodeProto, weights: dict[str, Any], opset: int, told: str | None, tmp_path: Path
) -> None:
    found = verify_model(save(tmp_path, [node], {"x": ["N", 3, 2, 2]}, {"y": ["N", 3, 2, 2]}, weights, opset=opset))
    inference = row(found, "inference")
    assert inference.status == ("failed" if told else "passed")
    assert found.passed == (told is None), found.checks
    assert (told or "no node") in inference.text


def test_training_mode_is_found_in_a_branch(tmp_path: Path) -> None:
    drop = make_node("Dropout", ["x", "r", "t"], ["d"], name="inner")
    value = helper.make_tensor_value_info("d", FLOAT, None)
    keep = make_node("Identity", ["x"], ["d"])
    branches = {
        "then_branch": helper.make_graph([drop], "then", [], [value]),
        "else_branch": helper.make_graph([keep], "else", [], [value]),
    }
    nodes = [make_node("If", ["t"], ["y"], **branches)]
    found = verify_model(save(tmp_path, nodes, {"x": ["N", 30]}, {"y": ["N", 30]}, {"r": SHARE, "t": YES}))
    assert row(found, "inference").status == "failed"
    assert "inner (Dropout)" in row(found, "inference").text


def test_gradients_are_no_inference(tmp_path: Path) -> None:
    node = make_node("Gradient", ["x"], ["y"], domain="ai.onnx.preview.training", xs=["x"], y="x", name="back")
    found = verify_model(save(tmp_path, [node], {"x": ["N", 3]}, {"y": ["N", 3]}))
    assert row(found, "inference").status == "failed"
    assert "back (Gradient) computes gradients" in row(found, "inference").text


def test_random_numbers_are_noted(tmp_path: Path) -> None:
    nodes = [make_node("RandomNormalLike", ["x"], ["r"], name="noise"), make_node("Add", ["x", "r"], ["y"])]
    found = verify_model(save(tmp_path, nodes, {"x": ["N", 3]}, {"y": ["N", 3]}))
    assert found.passed
    assert "noise (RandomNormalLike) draws random numbers" in row(found, "inference").text
    assert {check.status for check in found.checks if check.name.startswith("x ")} == {"noted"}


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
    assert Choice().limits(dtype).numbers == limit


def test_text_is_no_number(tmp_path: Path) -> None:
    node = make_node("StringNormalizer", ["x"], ["y"], case_change_action="LOWER")
    path = save(tmp_path, [node], {"x": [2]}, {"y": [2]}, kind=TensorProto.STRING)
    with pytest.raises(
        ArchspecError, match="takes text in 'x', and verify makes up plain numbers alone: the file is sound to"
    ):
        verify_model(path)


def test_whole_numbers_stay_inside_their_tables(tmp_path: Path) -> None:
    table = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    nodes = [make_node("Unsqueeze", ["x", "one"], ["u"]), make_node("Gather", ["t", "u"], ["y"])]
    weights = {"t": table, "one": np.array([1])}
    path = save(tmp_path, nodes, {"x": ["N", 50]}, {"y": ["N", 1, 50, 4]}, weights, TensorProto.INT64, gives=FLOAT)
    assert verify_model(path).passed

    feed = Feeds(ModelInside(path), Session(path, providers=["cpu"]), seed=0).make(2, {})["x"]
    assert set(feed.ravel()) == set(range(7))


EIGHT = [make_node("QuantizeLinear", ["x", "s", "z"], ["q"]), make_node("DequantizeLinear", ["q", "s", "z"], ["y"])]


@pytest.mark.parametrize(
    ("scale", "zero", "status", "told"),
    [
        (0.02, np.uint8(128), "passed", "x -2.56 to 2.54 in steps of 0.02"),
        (0.02, np.int8(0), "passed", "x -2.56 to 2.54 in steps of 0.02"),
        (0.0, np.uint8(0), "failed", "x is rounded to a single number, 0"),
        (2.0**-60, np.uint8(0), "failed", "x is rounded to a single number, 0"),
        (1e-9, np.uint8(0), "noted", "not the range of normalized inputs"),
        (1.0, np.uint8(0), "noted", "x 0 to 255 in steps of 1"),
        (1e28, np.uint8(0), "noted", "not the range of normalized inputs"),
    ],
)
def test_something_is_left_of_inputs_that_are_rounded(
    scale: float, zero: Any, status: str, told: str, tmp_path: Path
) -> None:
    weights = {"s": np.array(scale, np.float32), "z": np.array(zero)}
    found = verify_model(save(tmp_path, EIGHT, {"x": ["N", 40]}, {"y": ["N", 40]}, weights))
    ranges = row(found, "ranges")
    assert (ranges.status, found.passed) == (status, status != "failed")
    assert told in ranges.text


def test_inputs_reach_over_a_range_that_is_not_the_usual_one(tmp_path: Path) -> None:
    """A file that takes 0 to 255: standard normal numbers would be a few of its steps."""

    weights = {"s": np.array(1, np.float32), "z": np.array(np.uint8(0))}
    path = save(tmp_path, EIGHT, {"x": ["N", 400]}, {"y": ["N", 400]}, weights)
    feed = Feeds(ModelInside(path), Session(path, providers=["cpu"]), seed=0).make(1, {})["x"]
    assert (feed.min(), feed.max()) == (0, 255)
    assert len(set(np.rint(feed).ravel())) > 200


@pytest.mark.parametrize(
    ("kind", "reach"), [("Log", "between 0 and 1"), ("Sqrt", "between 0 and 1"), ("Acosh", "from 1 on")]
)
def test_what_has_values_in_one_reach_alone_is_noted(kind: str, reach: str, tmp_path: Path) -> None:
    found = verify_model(save(tmp_path, [make_node(kind, ["x"], ["y"])], {"x": ["N", 30]}, {"y": ["N", 30]}))
    assert found.passed, found.checks
    assert {check.status for check in found.checks if check.name.startswith("x ")} == {"noted"}
    assert f"finite for inputs {reach}; for standard normal ones" in row(found, "x 1 × 30").text
    assert "the batch agrees" in row(found, "batch").text


def test_what_has_no_values_at_all_fails(tmp_path: Path) -> None:
    nodes = [make_node("Sub", ["x", "x"], ["zero"]), make_node("Log", ["zero"], ["y"])]
    found = verify_model(save(tmp_path, nodes, {"x": ["N", 30]}, {"y": ["N", 30]}))
    assert not found.passed
    assert "no number of the output 'y' is finite: nothing is proven" in row(found, "compared").text


def steer(folder: Path, node: onnx.NodeProto, declared: Extents) -> Path:
    """x and whole numbers, by which a node makes y."""
    path = save(folder, [node], {"x": [2, 3], "by": [2]}, {"y": declared})
    model = onnx.load(path)
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.INT64
    onnx.save(model, path)
    return path


def test_shapes_that_made_up_numbers_steer_are_no_lies(tmp_path: Path) -> None:
    found = verify_model(steer(tmp_path, make_node("Tile", ["x", "by"], ["y"]), [4, 6]))
    assert found.passed, found.checks
    assert row(found, "shapes").status == "noted"
    assert "but 'by' was made up of zeros" in row(found, "shapes").text


def test_a_run_that_made_up_numbers_end_is_no_verdict(tmp_path: Path) -> None:
    path = steer(tmp_path, make_node("Expand", ["x", "by"], ["y"]), [2, 3])
    with pytest.raises(ArchspecError, match="'by' may steer sizes or places, and only zeros can be made up for it"):
        verify_model(path)
