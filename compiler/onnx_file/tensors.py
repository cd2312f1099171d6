"""Where the tensors of an ONNX model are: stored, in attributes, in subgraphs and functions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message


def find_tensors(message: Message) -> Iterator[Message]:
    """Every tensor of a model, wherever it hides: stored, in attributes, subgraphs, functions."""
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
    """Whether a message of this kind, or one inside it, may be a tensor."""
    if _is_tensor(kind):
        return True
    inner = {field.message_type for field in kind.fields if field.message_type is not None}
    return any(_may_hold_tensors(item, seen | {kind.name}) for item in inner if item.name not in seen | {kind.name})


def _is_tensor(kind: Descriptor) -> bool:
    return bool(kind.name == "TensorProto")
