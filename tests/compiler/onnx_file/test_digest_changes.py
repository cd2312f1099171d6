"""Another model has another content: no change of a field, of a part or of a bit goes unnoticed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from archspec.errors import ArchspecError
from compiler.onnx_file.content import read_content
from compiler.onnx_file.metadata import CONTENT
from compiler.onnx_target.model import build_model
from compiler.onnx_target.write import to_bytes
from tests.support.contents import EVERYTHING, GRAPH, SAVES, copy, digest, draw_weights, save


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


@settings(max_examples=60)
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
def exported() -> bytes:
    return to_bytes(build_model(GRAPH, draw_weights()))


@settings(max_examples=60)
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
