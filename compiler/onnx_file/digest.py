"""The digest of all that a model file holds: a hash of graph, metadata and every number that is stored.

One model can be laid out in many ways: the fields of a protobuf message come in any order, numbers lie in the file or
beside it, as bytes or one by one. So what is hashed is a canonical form. Each tensor holds, instead of its numbers, the
hash of their bytes in ONNX's order (numbers of rare types count in the form in which they are stored); stored tensors
have no order; texts for people to read that are blank are left out, since writers fill up with them. All else is
serialized field by field, in the order of their numbers. The hash that the file says stands among the metadata, and is
the one entry that does not count.

What a file says is XXH3 of 128 bits (https://xxhash.com), which takes no longer than reading the numbers, and says so:
`xxh3:5b768a…`. It finds what happens by accident, and is no signature: whoever writes a file can write its hash, and
two models of one hash are easily made. Where one would be answered from what was made of the other, SHA-256 of the same
form decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import numpy as np
import xxhash
from google.protobuf.message import Message

from compiler.onnx_file.metadata import CONTENT
from compiler.onnx_file.tensors import FORMS, find_tensors

FORM = re.compile(r"xxh3:[0-9a-f]{32}")
"""The form of a content. Another hash, or another canonical form, has to have another name."""

OTHER_HASH = "says its content by a hash that this version does not compute"
"""The end of a sentence on a file of which nobody can tell whether it was changed."""

DIGITS = 12
"""The number of digits of a content that stand in names of files and in texts."""

WIDEST: Mapping[str, str] = MappingProxyType({"int32_data": "i4", "uint64_data": "u8"})
"""The type of a field that holds numbers of narrower types too."""


class Hash(Protocol):
    """A hash of bytes that come piece by piece."""

    def update(self, data: Any, /) -> None:
        """Add bytes."""

    def digest(self) -> bytes:
        """The hash so far."""


Algorithm: TypeAlias = Callable[[bytes | memoryview], Hash]
"""A hash that begins with these bytes."""

XXH3: Algorithm = xxhash.xxh3_128
"""The hash that files say of themselves."""

Digest: TypeAlias = Callable[[Message, Algorithm], bytes | None]
"""The hash of a tensor's numbers, the little end first; None where the tensor is to count as it stands."""


def digest_stored(tensor: Message, algorithm: Algorithm) -> bytes | None:
    """Compute the hash of numbers that a tensor holds itself; None where they are not all of its type."""
    if tensor.HasField("raw_data"):
        return algorithm(tensor.raw_data).digest()
    if tensor.data_type not in FORMS:
        return None
    field, form = FORMS[tensor.data_type]
    values = np.array(getattr(tensor, field), WIDEST.get(field, form))
    narrow = values.astype(form, copy=False)
    if narrow is not values and (narrow != values).any():  # which readers cut in ways of their own
        return None
    return algorithm(narrow.tobytes()).digest()


def describe(tensor: Message, digest: bytes | None) -> bytes:
    """Put a tensor in canonical form, with this digest of its numbers, and serialize it."""
    if digest is not None:
        listed = () if tensor.HasField("raw_data") else FORMS.get(tensor.data_type, ())[:1]
        for field in ("data_location", "external_data", *listed):
            tensor.ClearField(field)
        tensor.raw_data = digest
    _clear_blanks(tensor)
    return bytes(tensor.SerializeToString(deterministic=True))


def digest_content(model: Message, described: Iterable[bytes] = (), digest: Digest = digest_stored) -> str:
    """Compute what a model says of its content: `xxh3:` and the digits of `digest_model`."""
    return f"xxh3:{digest_model(model, XXH3, described, digest)}"


def digest_model(
    model: Message, algorithm: Algorithm, described: Iterable[bytes] = (), digest: Digest = digest_stored
) -> str:
    """Compute the hash of a model, in hexadecimal digits. The model is put in canonical form; `described` are stored
    tensors that were taken from it."""
    for tensor in find_tensors(model):
        describe(tensor, digest(tensor, algorithm))
    kept = [entry for entry in model.metadata_props if entry.key != CONTENT]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    _clear_blanks(model)
    stored = [*described, *(item.SerializeToString(deterministic=True) for item in model.graph.initializer)]
    del model.graph.initializer[:]
    whole = algorithm(algorithm(model.SerializeToString(deterministic=True)).digest())
    for text in sorted(stored):
        whole.update(algorithm(text).digest())
    return whole.digest().hex()


def abbreviate(content: str) -> str:
    """The first digits of a content, by whatever hash it is."""
    return content.rpartition(":")[2][:DIGITS]


def is_content(text: str) -> bool:
    """True if a text is a content by the hash that is computed here."""
    return FORM.fullmatch(text) is not None


def _clear_blanks(message: Message) -> None:
    if not message.doc_string.strip():
        message.ClearField("doc_string")
