"""The content of a file: the same whatever writes the same model down, another for any other model."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.errors import ArchspecError
from compiler.content import CONTENT, FIELDS, digest_content
from compiler.onnx_source.content import Content, read_content
from compiler.onnx_target import write
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.write import to_bytes, write_model
from compiler.protobuf import delimit, walk_fields
from runtime.export import Calibration
from tests.lowering import Arrays, stir

GRAPH = elaborate(load("resnet_digits", {"widths": [4, 8, 8]}))
LARGE = 3000
"""Numbers of a tensor that is passed over where a file is read."""


@pytest.fixture(scope="module")
def weights() -> Arrays:
    return {name: value.numpy() for name, value in stir(to_torch(GRAPH)).state_dict().items()}


def build_everything() -> onnx.ModelProto:
    """A model with a tensor wherever one can be: stored and in attributes, subgraphs and functions; of every type, as
    bytes and one by one."""
    stored = [numpy_helper.from_array(np.arange(LARGE, dtype=np.float32), "large")]
    for kind in FIELDS:
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        values = np.array([0, 1, 1, 0, 1]).astype(dtype)
        stored.append(numpy_helper.from_array(values, f"raw_{kind}"))
        stored.append(helper.make_tensor(f"listed_{kind}", kind, [5], values.tolist()))
    stored.append(helper.make_tensor("words", TensorProto.STRING, [2], [b"a", b"b"]))
    stored.append(helper.make_tensor("empty", TensorProto.FLOAT, [0, 3], []))
    stored.append(helper.make_tensor("half", TensorProto.INT4, [3], [1, 2, 3]))
    stored.append(helper.make_tensor("turns", TensorProto.COMPLEX64, [1], [1 + 2j]))
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
    helper.set_model_props(model, {"author": "me", CONTENT: "0" * 64})
    return model


EVERYTHING = build_everything()


def copy(model: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.ModelProto.FromString(model.SerializeToString())


def digest(model: onnx.ModelProto) -> str:
    return digest_content(copy(model))


def read(path: Path) -> Content:
    """What a file says must be what it is."""
    content = read_content(path)
    assert content.said == content.found
    return content


def save(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


# What an export writes.


@pytest.mark.parametrize(
    ("precision", "most"),
    [
        *((precision, write.SINGLE_FILE) for precision in ("fp32", "fp16", "bf16", "int8")),
        *((precision, 10_000) for precision in ("fp32", "fp16", "bf16")),
    ],
)
def test_an_exported_file_says_its_content(
    precision: str, most: int, weights: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "SINGLE_FILE", most)
    np.save(tmp_path / "images.npy", np.random.default_rng(0).standard_normal((8, 1, 8, 8)).astype(np.float32))
    to_onnx(
        GRAPH,
        weights,
        tmp_path / "m.onnx",
        verify=False,
        options=ExportOptions(precision=precision),  # type: ignore[arg-type]
        calibration=Calibration(data=tmp_path / "images.npy", method="minmax") if precision == "int8" else None,
    )
    read(tmp_path / "m.onnx")


def test_it_does_not_depend_on_where_the_weights_lie(
    weights: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_model(GRAPH, weights)
    write_model(model, tmp_path / "one.onnx")
    monkeypatch.setattr(write, "SINGLE_FILE", 10_000)
    write_model(model, tmp_path / "two.onnx")
    (data,) = tmp_path.glob("two.onnx.*.data")
    one, two = read(tmp_path / "one.onnx"), read(tmp_path / "two.onnx")
    assert one == two
    assert data.name == f"two.onnx.{two.found[:12]}.data"


def test_it_is_of_network_weights_and_choices(weights: Arrays, tmp_path: Path) -> None:
    other = {name: value.copy() for name, value in weights.items()}
    other["linear_0.bias"][3] += 1
    models = [
        build_model(GRAPH, weights),
        build_model(GRAPH, other),
        build_model(GRAPH, weights, options=ExportOptions(precision="fp16")),
        build_model(GRAPH, weights, metadata={"archspec.classes": "[]"}),
        build_model(GRAPH, weights),
    ]
    found = []
    for model in models:
        (tmp_path / "m.onnx").write_bytes(to_bytes(model))
        found.append(read(tmp_path / "m.onnx").found)
    assert len(set(found)) == 4
    assert found[0] == found[4]


# The same model, written down in another way: by onnx, which knows nothing of it.

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


@pytest.mark.parametrize("way", SAVES)
def test_onnx_may_load_and_save_an_export(way: str, weights: Arrays, tmp_path: Path) -> None:
    write_model(build_model(GRAPH, weights), tmp_path / "m.onnx")
    (tmp_path / "again").mkdir()
    SAVES[way](onnx.load(tmp_path / "m.onnx"), tmp_path / "again" / "m.onnx")
    assert read(tmp_path / "again" / "m.onnx") == read(tmp_path / "m.onnx")
    (tmp_path / "back").mkdir()
    onnx.save(onnx.load(tmp_path / "again" / "m.onnx"), tmp_path / "back" / "m.onnx")
    assert read(tmp_path / "back" / "m.onnx") == read(tmp_path / "m.onnx")


@pytest.mark.parametrize("way", SAVES)
def test_onnx_may_save_anything(way: str, tmp_path: Path) -> None:
    SAVES[way](copy(EVERYTHING), tmp_path / "m.onnx")
    assert read_content(tmp_path / "m.onnx") == Content(digest(EVERYTHING), "0" * 64)


def test_bytes_and_numbers_one_by_one_are_the_same() -> None:
    model = copy(EVERYTHING)
    model.graph.initializer.sort(key=lambda tensor: tensor.name)
    for tensor in model.graph.initializer:
        if tensor.name.startswith("listed"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
            assert tensor.raw_data
    assert digest(model) == digest(EVERYTHING)


@pytest.mark.parametrize(("kind", "more"), [(TensorProto.BOOL, 1 << 8), (TensorProto.FLOAT16, 1 << 16)], ids=str)
def test_what_a_type_cannot_hold_is_no_other_number(kind: int, more: int, tmp_path: Path) -> None:
    """ONNX Runtime takes 256 for true, and refuses a float16 of 17 bits: neither is what remains when it is cut."""
    tensor = helper.make_tensor("c", kind, [2], [0, 1])
    nodes = [helper.make_node("Cast", ["c"], ["y"], to=TensorProto.FLOAT)]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    graph = helper.make_graph(nodes, "g", [], [result], [tensor])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    wider = copy(model)
    wider.graph.initializer[0].int32_data[0] += more
    assert wider.graph.initializer[0].int32_data[0] % more == tensor.int32_data[0]  # equal where both are cut
    assert compute(model) != compute(wider)
    assert digest(model) != digest(wider)


def compute(model: onnx.ModelProto) -> list[float] | None:
    try:
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return [float(value) for value in session.run(None, {})[0]]
    except Exception:  # onnxruntime's exceptions have no common base but this
        return None


def test_blanks_and_its_own_entry_do_not_count(tmp_path: Path) -> None:
    model = copy(EVERYTHING)
    model.doc_string = " " * 40
    for tensor in model.graph.initializer:
        tensor.doc_string = "  "
    next(entry for entry in model.metadata_props if entry.key == CONTENT).value = "other"
    assert digest(model) == digest(EVERYTHING)
    assert read_content(save(model, tmp_path / "m.onnx")) == Content(digest(EVERYTHING), "other")


def shuffle(data: bytes, kind: Message, chance: random.Random) -> bytes:
    """The same message with its fields in another order; those of one number stay in theirs."""
    inner = {field.number: field.message_type for field in kind.DESCRIPTOR.fields if field.message_type is not None}
    places: dict[int, list[bytes]] = {}
    for field in walk_fields(data, 0, len(data)):
        text = data[field.key : field.end]
        if field.number in inner:
            prototype = getattr(onnx, inner[field.number].name, None)
            if prototype is not None:
                text = delimit(field.number, shuffle(data[field.start : field.end], prototype(), chance))
        places.setdefault(field.number, []).append(text)
    order = [number for number, texts in places.items() for _ in texts]
    chance.shuffle(order)
    return b"".join(places[number].pop(0) for number in order)


@pytest.mark.parametrize("seed", range(5))
def test_fields_may_come_in_any_order(seed: int, tmp_path: Path) -> None:
    data = shuffle(EVERYTHING.SerializeToString(), onnx.ModelProto(), random.Random(seed))
    assert data != EVERYTHING.SerializeToString()
    (tmp_path / "m.onnx").write_bytes(data)
    assert read_content(tmp_path / "m.onnx").found == digest(EVERYTHING)


READ = """
import sys
from pathlib import Path
from google.protobuf.internal import api_implementation
from compiler.onnx_source.content import read_content
print(api_implementation.Type(), read_content(Path(sys.argv[1])).found)
"""


def test_another_protobuf_finds_the_same(tmp_path: Path) -> None:
    """The one in pure Python."""
    path = save(EVERYTHING, tmp_path / "m.onnx")
    said = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
    )
    assert said.stdout.split() == ["python", digest(EVERYTHING)]


# Another model.


def list_places(message: Message) -> Iterator[tuple[Message, FieldDescriptor, int | None]]:
    """Every number, text and row of bytes in a message: where it is, in which field, and in which place of it."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in [value] if isinstance(value, Message) else value:
                yield from list_places(item)
        elif field.is_repeated:
            yield from ((message, field, index) for index in range(len(value)))
        else:
            yield message, field, None


def change(value: object, chance: random.Random) -> object:
    """The value with a single bit changed, or a letter."""
    match value:
        case bytes():
            at = chance.randrange(8 * len(value)) if value else 0
            return bytes(byte ^ (1 << at % 8) * (i == at // 8) for i, byte in enumerate(value)) or b"x"
        case str():
            return value + "x" if chance.random() < 0.5 or not value else value[:-1] + chr(ord(value[-1]) + 1)
        case float():
            return float(np.nextafter(np.float32(value), np.float32(np.inf)))
        case int():
            return value ^ 1
    raise AssertionError


@pytest.mark.parametrize("seed", range(3))
def test_any_change_of_any_field_is_noticed(seed: int) -> None:
    chance, expected = random.Random(seed), digest(EVERYTHING)
    for place, (owner, kind, _) in enumerate(list_places(EVERYTHING)):
        model = copy(EVERYTHING)
        message, field, index = list(list_places(model))[place]
        value = getattr(message, field.name)
        if index is None:
            setattr(message, field.name, change(value, chance))
        else:
            value[index] = change(value[index], chance)
        own = isinstance(owner, onnx.StringStringEntryProto) and owner.key == CONTENT and kind.name == "value"
        assert (digest(model) == expected) == own, (field.full_name, index)


def drop_node(model: onnx.ModelProto) -> None:
    del model.graph.node[0]


def turn_nodes(model: onnx.ModelProto) -> None:
    first = copy(model).graph.node[0]
    del model.graph.node[0]
    model.graph.node.append(first)


def add_attribute(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("axis", 0))


def drop_tensor(model: onnx.ModelProto) -> None:
    del model.graph.initializer[-1]


def repeat_tensor(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


def exchange_numbers(model: onnx.ModelProto) -> None:
    one, two = (tensor for tensor in model.graph.initializer if tensor.name in ("raw_7", "raw_13"))
    one.data_type, two.data_type = two.data_type, one.data_type


def add_note(model: onnx.ModelProto) -> None:
    model.metadata_props.add(key="note", value="")


def add_text(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].doc_string = "a text"


def leave_output_open(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.ClearField("shape")


@pytest.mark.parametrize(
    "edit",
    [
        drop_node,
        turn_nodes,
        add_attribute,
        drop_tensor,
        repeat_tensor,
        exchange_numbers,
        add_note,
        add_text,
        leave_output_open,
    ],
)
def test_parts_that_come_and_go_are_noticed(edit: Callable[[onnx.ModelProto], None], tmp_path: Path) -> None:
    model = copy(EVERYTHING)
    edit(model)
    assert read_content(save(model, tmp_path / "m.onnx")).found == digest(model) != digest(EVERYTHING)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_bit_of_a_file_turns_unnoticed(
    exported: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Wherever it stands: in a weight, an attribute, a name, a length. It is another model then, or none."""
    place = data.draw(st.integers(0, 8 * len(exported) - 1), label="bit")
    spoilt = bytearray(exported)
    spoilt[place // 8] ^= 1 << place % 8
    path = tmp_path_factory.mktemp("bits") / "m.onnx"
    path.write_bytes(spoilt)
    try:
        content = read_content(path)
    except ArchspecError:
        return
    assert content.said != content.found


@pytest.fixture(scope="module")
def exported(weights: Arrays) -> bytes:
    return to_bytes(build_model(GRAPH, weights))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_bit_of_data_beside_a_file_turns_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("data")
    arrays = data.draw(st.lists(st.binary(min_size=1, max_size=5000), min_size=1, max_size=4), label="arrays")
    model = copy(EVERYTHING)
    for number, values in enumerate(arrays):
        model.graph.initializer.append(numpy_helper.from_array(np.frombuffer(values, np.uint8), f"t{number}"))
    SAVES["data"](copy(model), folder / "m.onnx")
    before = read_content(folder / "m.onnx").found
    assert before == digest(model)
    spoilt = bytearray((folder / "d").read_bytes())
    kept = onnx.load(folder / "m.onnx", load_external_data=False).graph.initializer
    tensor = data.draw(st.sampled_from([item for item in kept if item.external_data]), label="tensor")
    place = {entry.key: int(entry.value) for entry in tensor.external_data if entry.key != "location"}
    at = place["offset"] + data.draw(st.integers(0, place["length"] - 1), label="byte")
    spoilt[at] ^= 1 << data.draw(st.integers(0, 7), label="bit")
    (folder / "d").write_bytes(spoilt)
    assert read_content(folder / "m.onnx").found != before
