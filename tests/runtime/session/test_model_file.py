"""Files that are no models, and models that reach outside their folder, are refused before ONNX Runtime sees them."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from archspec.api import verify_model
from archspec.errors import ArchspecError
from compiler.onnx_file.content import read_content
from runtime.session.model_file import ModelFile
from runtime.session.session import Session
from tests.support.models import build_double, build_model, save

DATA = np.arange(4, dtype=np.float32)


def make_external(location: str, **extent: object) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": 0, "length": 16, **extent}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def save_external(folder: Path, tensor: TensorProto) -> Path:
    model = build_model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": [4]}, {"y": [4]})
    model.graph.initializer.append(tensor)
    return save(model, folder / "m.onnx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "w.bin").write_bytes(DATA.tobytes())
    (tmp_path / "secret.bin").write_bytes(DATA.tobytes())
    return tmp_path / "models"


def test_plain_external_data_is_read(folder: Path) -> None:
    session = Session(save_external(folder, make_external("w.bin")), providers=["cpu"])
    assert np.array_equal(session.run(np.ones(4, np.float32))["y"], 1 + DATA)


ADDRESSES = ["*/_ORT_MEM_ADDR_/*", "*/_ORT_NATIVE_ENDIAN_MEM_ADDR_/*"]
"""As ONNX Runtime writes that a tensor's numbers are in the process's own memory."""

OUTSIDE = [
    *("../secret.bin", "{root}/secret.bin", "sub/../w.bin", "..", ".", "", "sub/", "sub//w.bin", "sub/."),
    *("w.bin\0.txt", "..\\secret.bin", "C:w.bin", ".ssh/id", "sub/.git/w.bin", *ADDRESSES),
]


@pytest.mark.parametrize("location", OUTSIDE)
def test_a_place_outside_the_folder_is_refused(folder: Path, location: str) -> None:
    for name in ("sub/w.bin", ".ssh/id", "sub/.git/w.bin", *ADDRESSES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(DATA.tobytes())
    path = save_external(folder, make_external(location.format(root=folder.parent)))
    with pytest.raises(ArchspecError, match="only a file in the model's own folder is read, or below it"):
        ModelFile.open(path).check()


def link_symbolically(folder: Path) -> None:
    (folder / "v.bin").symlink_to(folder.parent / "secret.bin")


def link_hard(folder: Path) -> None:
    os.link(folder.parent / "secret.bin", folder / "v.bin")


def make_folder(folder: Path) -> None:
    (folder / "v.bin").mkdir()


def make_pipe(folder: Path) -> None:
    os.mkfifo(folder / "v.bin")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (link_symbolically, "is a link out of the model's folder"),
        (link_hard, "has 2 names"),
        (make_folder, "is not a file"),
        (make_pipe, "is not a file"),
        (lambda folder: None, "cannot be read"),
    ],
)
def test_only_a_file_with_one_name_is_read(folder: Path, make: Callable[[Path], None], message: str) -> None:
    make(folder)
    with pytest.raises(ArchspecError, match=message):
        ModelFile.open(save_external(folder, make_external("v.bin"))).check()


@pytest.mark.parametrize("extent", [{"length": 17}, {"offset": 4}, {"offset": -1}, {"length": "x"}, {"offset": 10**30}])
def test_external_data_must_lie_within_its_file(folder: Path, extent: dict[str, object]) -> None:
    with pytest.raises(ArchspecError, match=r"ends at byte|must be whole numbers"):
        ModelFile.open(save_external(folder, make_external("w.bin", **extent))).check()


def test_a_key_that_stands_twice_is_refused(folder: Path) -> None:
    tensor = make_external("w.bin")
    tensor.external_data.add(key="location", value="../secret.bin")
    with pytest.raises(ArchspecError, match="names one key twice"):
        ModelFile.open(save_external(folder, tensor)).check()


def test_a_place_that_is_no_text_is_refused(folder: Path) -> None:
    path = save_external(folder, make_external("w.bin"))
    path.write_bytes(path.read_bytes().replace(b"w.bin", b"w\xff\xfe.b"))
    with pytest.raises(ArchspecError, match="a place that is not UTF-8 text"):
        ModelFile.open(path).check()


def test_a_place_that_the_tensor_says_it_does_not_use_is_refused(folder: Path) -> None:
    """ONNX Runtime would compute with the tensor's own numbers, and others with those of the file."""
    tensor = make_external("w.bin")
    ModelFile.open(save_external(folder, tensor)).check()
    tensor.data_location = TensorProto.DEFAULT
    tensor.raw_data = np.full(4, 7, np.float32).tobytes()
    path = save_external(folder, tensor)
    taken = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": 0 * DATA})[0]
    assert taken.tolist() == [7] * 4
    for read in (lambda path: ModelFile.open(path).check(), read_content):
        with pytest.raises(ArchspecError, match="says that it holds its numbers itself"):
            read(path)


def hide_in_attribute(tensor: TensorProto) -> onnx.ModelProto:
    return build_model([helper.make_node("Constant", [], ["y"], value=tensor)], {}, {"y": [4]})


def hide_in_branch(tensor: TensorProto) -> onnx.ModelProto:
    result = helper.make_tensor_value_info("z", TensorProto.FLOAT, [4])
    branch = helper.make_graph([helper.make_node("Identity", ["w"], ["z"])], "b", [], [result], [tensor])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", TensorProto.BOOL, [], [True])),
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
    ]
    return build_model(nodes, {}, {"y": [4]})


def hide_in_function(tensor: TensorProto) -> onnx.ModelProto:
    model = build_model([helper.make_node("F", [], ["y"], domain="own")], {}, {"y": [4]})
    nodes = [helper.make_node("Constant", [], ["y"], value=tensor)]
    model.functions.append(helper.make_function("own", "F", [], ["y"], nodes, [helper.make_opsetid("", 17)]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


@pytest.mark.parametrize("hide", [hide_in_attribute, hide_in_branch, hide_in_function])
def test_external_data_is_found_wherever_it_hides(folder: Path, hide: Callable[[TensorProto], onnx.ModelProto]) -> None:
    with pytest.raises(ArchspecError, match="only a file in the model's own folder"):
        ModelFile.open(save(hide(make_external("../secret.bin")), folder / "m.onnx")).check()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello world, this is no model", "ONNX"),
        (b"\x08" * 50, "ONNX"),
        (b"\xff" * 99, "cut off"),
    ],
)
def test_garbage_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ArchspecError, match=message) as caught:
        Session(path, providers=["cpu"])
    assert "\n" not in str(caught.value)


def test_a_model_that_is_cut_off_is_not_told_to_be_one(tmp_path: Path) -> None:
    path = save(build_double(), tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ArchspecError, match="is not an ONNX file, or it is cut off"):
        ModelFile.open(path).check()


def test_places_that_are_no_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        ("none", "does not exist"),
        (".", "is not a file"),
        ("pipe", "is not a file"),
        ("a\0b", "NUL"),
    ):
        with pytest.raises(ArchspecError, match=message):
            Session(tmp_path / path)


def test_a_model_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = build_double().SerializeToString()
    path = tmp_path / "m.onnx"
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(ArchspecError):
            Session(path, providers=["cpu"])
    path.write_bytes(whole)
    assert Session(path, providers=["cpu"]).inputs


def test_a_chain_of_functions_that_kills_onnx_runtime_is_refused(tmp_path: Path) -> None:
    count, opsets = 3000, [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model = build_model([helper.make_node("F0", ["x"], ["y"], domain="own")], {"x": [1]}, {"y": [1]})
    model.opset_import.append(helper.make_opsetid("own", 1))
    for number in range(count):
        last = number == count - 1
        node = helper.make_node("Relu" if last else f"F{number + 1}", ["x"], ["y"], domain="" if last else "own")
        model.functions.append(helper.make_function("own", f"F{number}", ["x"], ["y"], [node], opsets))
    with pytest.raises(ArchspecError, match="not a valid ONNX model"):
        Session(save(model, tmp_path / "m.onnx"), providers=["cpu"])


LARGE = np.arange(4096, dtype=np.float32)


def build_large(tensor: TensorProto) -> onnx.ModelProto:
    """x + w, with 16 KiB in w."""
    model = build_model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": [4096]}, {"y": [4096]})
    model.graph.initializer.append(tensor)
    return model


def make_large(**fields: Any) -> TensorProto:
    usual: dict[str, Any] = {"name": "w", "data_type": TensorProto.FLOAT, "dims": [4096], "raw_data": LARGE.tobytes()}
    return TensorProto(**usual | fields)


@pytest.mark.parametrize(
    "tensor",
    [
        make_large(),
        make_large(data_type=TensorProto.INT32),
        make_large(dims=[64, 64]),
        make_large(raw_data=None, float_data=LARGE.tolist()),
    ],
)
def test_large_weights_are_passed_over_only_in_the_check(tmp_path: Path, tensor: TensorProto) -> None:
    path = save(build_large(tensor), tmp_path / "m.onnx")
    onnx.checker.check_model(path)
    ModelFile.open(path).check()


@pytest.mark.parametrize(
    "tensor",
    [
        make_large(float_data=[1.0]),
        make_large(raw_data=None),
        make_large(raw_data=None, int32_data=range(4096)),
        make_large(raw_data=None, float_data=LARGE.tolist(), double_data=[1.0]),
        make_large(data_type=TensorProto.STRING),
        make_large(data_type=TensorProto.UNDEFINED),
        make_large(name="x"),
    ],
)
def test_what_onnx_refuses_in_large_weights_is_refused(tmp_path: Path, tensor: TensorProto) -> None:
    """The control: the check that reads all of the file refuses them too."""
    path = save(build_large(tensor), tmp_path / "m.onnx")
    try:
        onnx.checker.check_model(path, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
        with pytest.raises(ArchspecError, match=r"m\.onnx"):
            Session(path, providers=["cpu"])
    else:
        pytest.fail("onnx takes it")


@pytest.mark.parametrize("tensor", [make_large(dims=[4097]), make_large(dims=[-4096]), make_large(dims=[1 << 62, 16])])
def test_weights_of_another_length_than_their_shapes_never_run(tmp_path: Path, tensor: TensorProto) -> None:
    with pytest.raises(ArchspecError, match=r"m\.onnx"):
        Session(save(build_large(tensor), tmp_path / "m.onnx"), providers=["cpu"])


def test_names_of_large_weights_are_checked(tmp_path: Path) -> None:
    model = build_large(make_large())
    model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[1], raw_data=bytes(4))
    with pytest.raises(onnx.checker.ValidationError, match="not unique"):
        onnx.checker.check_model(model)
    with pytest.raises(ArchspecError, match="not unique"):
        ModelFile.open(save(model, tmp_path / "m.onnx")).check()


def test_the_structure_around_large_weights_is_checked(tmp_path: Path) -> None:
    model = build_large(make_large())
    model.graph.node[0].input[0] = "nothing"
    with pytest.raises(ArchspecError, match=r"not a valid ONNX model: .*nothing"):
        ModelFile.open(save(model, tmp_path / "m.onnx")).check()


def test_old_files_list_their_weights_as_inputs(tmp_path: Path) -> None:
    model = build_large(make_large())
    model.ir_version = 3
    with pytest.raises(ArchspecError, match="not a valid ONNX model"):
        ModelFile.open(save(model, tmp_path / "m.onnx")).check()
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4096]))
    ModelFile.open(save(model, tmp_path / "m.onnx")).check()


def test_the_check_does_not_read_large_weights(tmp_path: Path) -> None:
    path = save(build_large(make_large(dims=[1 << 23], raw_data=bytes(1 << 25))), tmp_path / "m.onnx")
    tracemalloc.start()
    try:
        ModelFile.open(path).check()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def build_open() -> onnx.ModelProto:
    """The places of what is not zero; of an output of which no shape is said."""
    nodes = [helper.make_node("NonZero", ["x"], ["z"]), helper.make_node("Squeeze", ["z"], ["y"])]
    model = build_model(nodes, {"x": ("N", 4)}, {"y": ()})
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    model.graph.output[0].type.tensor_type.ClearField("shape")
    return model


def test_an_output_may_have_any_shape(tmp_path: Path) -> None:
    """The control is onnx's checker, which is stricter than ONNX."""
    path = save(build_open(), tmp_path / "m.onnx")
    with pytest.raises(onnx.checker.ValidationError, match="Field 'shape'"):
        onnx.checker.check_model(path)
    ModelFile.open(path).check()
    old = build_open()
    old.ir_version = 3
    assert Session(save(old, tmp_path / "old.onnx"), providers=["cpu"]).outputs.keys() == {"y"}


def test_a_session_runs_it_and_invents_no_shape(tmp_path: Path) -> None:
    session = Session(save(build_open(), tmp_path / "m.onnx"), providers=["cpu"])
    assert session.outputs == {"y": None}
    x = np.array([[1, 0, 2, 3], [0, 0, 0, 4]], np.float32)
    assert np.array_equal(session.run(x)["y"], np.nonzero(x))
    bound = session.bind(x)
    bound.run()
    assert np.array_equal(bound.fetch()["y"], np.nonzero(x))
    assert verify_model(session.path).passed


@pytest.mark.parametrize(
    ("kind", "attributes", "extents"), [("Relu", {}, ("N", 4)), ("ReduceMax", {"keepdims": 0}, None)]
)
def test_what_onnx_runtime_infers_is_known(
    kind: str, attributes: dict[str, Any], extents: object, tmp_path: Path
) -> None:
    """A number has no axes, which is how ONNX Runtime says that it does not know them, too; unless the file says it."""
    model = build_model([helper.make_node(kind, ["x"], ["y"], **attributes)], {"x": ("N", 4)}, {"y": ()})
    if kind == "ReduceMax":
        assert Session(save(model, tmp_path / "m.onnx"), providers=["cpu"]).outputs == {"y": ()}
    model.graph.output[0].type.tensor_type.ClearField("shape")
    session = Session(save(model, tmp_path / "m.onnx"), providers=["cpu"])
    assert session.outputs == {"y": extents}
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    assert np.array_equal(session.bind(x).fetch()["y"], session.run(x)["y"])


def test_an_input_without_a_shape_is_named(tmp_path: Path) -> None:
    model = build_open()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(ArchspecError, match=r"m\.onnx is not a valid ONNX model: the input 'x' has no shape"):
        ModelFile.open(save(model, tmp_path / "m.onnx")).check()
