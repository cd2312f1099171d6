"""The wire format, held against protobuf's own messages."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.onnx_file.protobuf import FIXED32, FIXED64, MalformedError, delimit, header_of, walk_fields

MESSAGES = st.builds(
    onnx.AttributeProto,
    name=st.text(max_size=300),
    f=st.floats(width=32, allow_nan=False),
    i=st.integers(-(2**63), 2**63 - 1),
    s=st.binary(max_size=20_000),
    floats=st.lists(st.floats(width=32), max_size=5),
    t=st.builds(onnx.TensorProto, double_data=st.lists(st.floats(), max_size=5)),
)


@given(MESSAGES)
def test_fields_are_walked_as_protobuf_wrote_them(message: onnx.AttributeProto) -> None:
    data = message.SerializeToString()
    fields = list(walk_fields(data, 0, len(data)))
    assert b"".join(data[field.key : field.end] for field in fields) == data
    assert {field.number for field in fields} == {descriptor.number for descriptor, _ in message.ListFields()}
    found = {field.number: data[field.start : field.end] for field in fields if field.wire not in (FIXED32, FIXED64)}
    assert found[onnx.AttributeProto.NAME_FIELD_NUMBER] == message.name.encode()
    assert found[onnx.AttributeProto.S_FIELD_NUMBER] == message.s


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300, 1 << 21])
def test_a_delimited_field_is_protobufs(size: int) -> None:
    content = b"x" * size
    expected = onnx.TensorProto(raw_data=content).SerializeToString()
    assert delimit(onnx.TensorProto.RAW_DATA_FIELD_NUMBER, content) == expected


@pytest.mark.parametrize("size", [1 << 31, 1 << 40])
def test_a_header_holds_any_size(size: int) -> None:
    """The length is written as an integer field's value is."""
    value = onnx.ModelProto(ir_version=size).SerializeToString()[1:]
    assert header_of(9, size)[1:] == value


@given(MESSAGES, st.data())
def test_what_is_cut_off_inside_a_field_is_malformed(message: onnx.AttributeProto, data: st.DataObject) -> None:
    whole = message.SerializeToString()
    ends = {field.end for field in walk_fields(whole, 0, len(whole))} | {0}
    cut = data.draw(st.integers(0, len(whole) - 1))
    if cut in ends:
        assert len(list(walk_fields(whole, 0, cut))) < len(ends)
    else:
        with pytest.raises(MalformedError):
            list(walk_fields(whole[:cut], 0, cut))


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_or_malformed(data: bytes) -> None:
    try:
        fields = list(walk_fields(data, 0, len(data)))
    except MalformedError:
        return
    assert b"".join(data[field.key : field.end] for field in fields) == data
