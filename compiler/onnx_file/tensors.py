"""The tensors of an ONNX model: where they are (stored, in attributes, in subgraphs and functions), and how they hold
numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

FORMS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        1: ("float_data", "<f4"),
        2: ("int32_data", "u1"),
        3: ("int32_data", "i1"),
        4: ("int32_data", "<u2"),
        5: ("int32_data", "<i2"),
        6: ("int32_data", "<i4"),
        7: ("int64_data", "<i8"),
        9: ("int32_data", "u1"),  # bool
        10: ("int32_data", "<u2"),  # float16
        11: ("double_data", "<f8"),
        12: ("uint64_data", "<u4"),
        13: ("uint64_data", "<u8"),
        16: ("int32_data", "<u2"),  # bfloat16
    }
)
"""The field that may hold the numbers of a type one by one, and their type as bytes, by ONNX's number for it. Types
of less than a byte, of texts and of rarer numbers are none of these."""


def find_tensors(message: Message) -> Iterator[Message]:
    """Find every tensor of a model, wherever it hides: stored, in attributes, subgraphs, functions."""
    for field, value in message.ListFields():
        if field.message_type is None or not _may_hold_tensors(field.message_type):
            continue
        for item in [value] if isinstance(value, Message) else value:
            if _is_tensor(item.DESCRIPTOR):
                yield item
            else:
                yield from find_tensors(item)


@cache
def _may_hold_tensors(kind: Descriptor, seen: frozenset[str] = frozenset()) -> bool:
    """Tell whether a message of this kind, or one inside it, may be a tensor."""
    if _is_tensor(kind):
        return True
    inner = {field.message_type for field in kind.fields if field.message_type is not None}
    return any(_may_hold_tensors(item, seen | {kind.name}) for item in inner if item.name not in seen | {kind.name})


def _is_tensor(kind: Descriptor) -> bool:
    return bool(kind.name == "TensorProto")
