"""A model's file, opened once: what it says of itself, and whether ONNX Runtime may see it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from archspec.errors import ModelError, raising
from archspec.extras import extra
from archspec.files import FileState
from compiler.onnx_file.accepted import AcceptedSize
from compiler.onnx_file.metadata import CONTENT, read_sizes
from runtime.session.failures import shorten

with extra("run"):
    import onnx

    from compiler.onnx_file.checker import check_model, lacks_shape
    from compiler.onnx_file.extents import NamedExtents, list_inputs, list_outputs
    from compiler.onnx_file.external import check_external_data, find_external, list_data
    from compiler.onnx_file.protobuf import Bytes, WireField
    from compiler.onnx_file.skim import count_bytes, list_metadata, read_reduced, split_numbers

MAX_SAMPLED = 1 << 20
"""The largest part, in bytes, of a file's beginning and of its end that its identity is made of."""


class WrittenError(ModelError):
    """A file that was written or replaced while it was read: what was read of it may be of two files."""


@dataclass(frozen=True, slots=True)
class WeightPlace:
    """A large stored tensor and where it lies in its file: name, ONNX's number for its type, shape, and the place of
    its bytes, as many as these say."""

    name: str
    kind: int
    shape: tuple[int, ...]
    start: int
    size: int


@dataclass(frozen=True)
class ModelFile:
    """A model's file as it was when it was opened: everything that a session has to know of it is in here, and nobody
    reads the file again for that.

    `head` has everything in the file but the large `weights`; `state` stays what it is for as long as nobody writes the
    file.
    """

    path: Path
    head: onnx.ModelProto
    weights: tuple[WeightPlace, ...]
    state: FileState

    @classmethod
    @raising(ModelError)
    def open(cls, path: str | Path) -> ModelFile:
        """Open the file in `path`, whatever its model may be worth: see `check`. Raises ModelError where it is no ONNX
        file.

        The file is mapped meanwhile, and numbers of large weights are passed over: a file of any size is opened in the
        time that its nodes take.
        """
        path, weights = Path(path), list[WeightPlace]()
        head, state = read_reduced(path, lambda data, field: _set_aside(data, field, weights))
        return cls(path, head, tuple(weights), state)

    @raising(ModelError)
    def check(self) -> ModelFile:
        """Give this file. Raises ModelError unless it is a sound ONNX model whose external data, if any, lies in its
        folder.

        ONNX Runtime itself reads external data through a hard link, cuts names at a NUL, and dies on some models that
        onnx's checker refuses; so both checks come first. The checker sees all but the numbers of large weights, which
        are as many bytes as their shape says, and what lies in other files, where it follows no links.
        """
        check_external_data(self.head, self.path)
        try:
            _check_shapes(self.head.graph.input)
            check_model(self.head, (onnx.TensorProto(name=item.name, data_type=item.kind) for item in self.weights))
        except Exception as error:  # ValidationError, and whatever protobuf adds
            raise ModelError(f"{self.path} is not a valid ONNX model: {shorten(error)}") from error
        return self

    def check_unwritten(self) -> None:
        """Raise WrittenError where the file is no longer the one that was opened."""
        check_unwritten(self.path, self.state)

    @cached_property
    def metadata(self) -> dict[str, str]:
        """The file's metadata, by key."""
        return list_metadata(self.head)

    @cached_property
    def inputs(self) -> dict[str, NamedExtents]:
        """The extents of what has to be fed: a name where one is free, its own or that of its place."""
        return list_inputs(self.head.graph, (weight.name for weight in self.weights))

    @cached_property
    def outputs(self) -> dict[str, NamedExtents | None]:
        """The extents that are declared of outputs; None where none are."""
        return list_outputs(self.head.graph)

    @property
    def free(self) -> tuple[str, ...]:
        """The names of the free extents of inputs."""
        extents = (extent for extents in self.inputs.values() for extent in extents)
        return tuple(dict.fromkeys(extent for extent in extents if isinstance(extent, str)))

    @cached_property
    def sizes(self) -> dict[str, AcceptedSize]:
        """The sizes that the model accepts, by name. Raises ModelError where what it says of them is malformed."""
        return read_sizes(self.metadata)

    @cached_property
    def data(self) -> tuple[str, ...]:
        """The names of other files in its folder that hold tensors."""
        return list_data(find_external(self.head))

    @cached_property
    def identity(self) -> str:
        """The model's identity: what the exporter says that it is, or of a file of another's, a hash of its ends.

        That is SHA-256 of the file's length, beginning and end. Not of all of it, because a session would wait for
        that, and two files that are taken for one share settings, never numbers.
        """
        return self.metadata.get(CONTENT) or _hash_ends(self.path)


def read_state(path: str | Path | int) -> FileState:
    """Read the state of a file, or of the open one of a number. Raises ModelError where there is none."""
    try:
        return FileState.read(path)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error


def check_unwritten(path: str | Path, state: FileState) -> None:
    """Raise WrittenError where the file is no longer the one that was in this state, and ModelError where it is
    gone."""
    if read_state(path) != state:
        raise WrittenError(f"{path} was written or replaced while it was read; open it again")


def _hash_ends(path: Path) -> str:
    import hashlib  # it loads OpenSSL, and few sessions hash anything

    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(MAX_SAMPLED))
        file.seek(max(0, size - MAX_SAMPLED))
        digest.update(file.read(MAX_SAMPLED))
    return digest.hexdigest()


def _set_aside(data: Bytes, field: WireField, weights: list[WeightPlace]) -> bytes:
    """Give nothing for a stored tensor that holds the bytes that are due, once, and nothing else; what it is goes to
    `weights`. Any other stays as it is."""
    split = split_numbers(data, field)
    if split is not None:
        tensor, numbers = split
        size = numbers.end - numbers.start
        if count_bytes(tensor) == size:
            weights.append(WeightPlace(tensor.name, tensor.data_type, tuple(tensor.dims), numbers.start, size))
            return b""
    return data[field.key : field.end]


def _check_shapes(inputs: Iterable[onnx.ValueInfoProto]) -> None:
    """Check the inputs' shapes: onnx's checker would not say which input it is."""
    for value in inputs:
        if lacks_shape(value):
            raise ModelError(f"the input '{value.name}' has no shape, not even an open one")
