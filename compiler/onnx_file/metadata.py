"""The metadata of a file: texts by key, in the metadata of an ONNX file and of a safetensors file of weights.

Every key of ours stands here once, with the type of what it says and with who writes it. A value is read when somebody
asks for it, so that a malformed text fails only who needs it; whatever else a file says goes by untouched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from archspec.errors import ArchspecError, InputError, ModelError, raising, tell_value
from archspec.strict_json import check_integer, read_json
from archspec.wording import cut_middle
from compiler.onnx_file.accepted import AcceptedSize, parse_sizes, print_sizes

T = TypeVar("T")

PREFIX = "archspec."
"""The beginning of every key of ours."""

MAX_NUMBER = 1 << 15
"""The largest stride, in pixels, and the largest number of members of an ensemble that a file can say."""

MAX_CHARACTERS = 1 << 24
"""The largest number of characters of all texts together that a caller may add: they are read whole whenever a model is
opened."""


class MetadataKey(str, Generic[T]):
    """A key of the metadata, which knows how its value is written as text. It is a text itself: `KEY in metadata`."""

    _parse: Callable[[str, str], T]
    _print: Callable[[T], str]

    def __new__(cls, name: str, parse: Callable[[str, str], T], print: Callable[[T], str]) -> MetadataKey[T]:
        key = super().__new__(cls, name)
        key._parse, key._print = parse, print
        return key

    def read(self, metadata: Mapping[str, str], where: str | Path = "") -> T | None:
        """Read the value from the metadata of the file `where`; None where they do not say it. Raises ModelError where
        it is malformed."""
        if self not in metadata:
            return None
        with raising(ModelError):
            return self._parse(metadata[self], f"the metadata '{self}'{f' of {where}' if where else ''}")

    @property
    def word(self) -> str:
        """The key without PREFIX, as reports name it."""
        return self.removeprefix(PREFIX)

    def write(self, value: T) -> dict[str, str]:
        """Make the metadata that say this value."""
        return {str(self): self._print(value)}

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Pickle the key as a plain text: who gets it in another process looks up what it is called."""
        return str, (str(self),)


def _keep(text: str, what: str = "") -> str:
    return text


def _parse_number(text: str, what: str) -> int:
    return check_integer(read_json(text, what), what, most=MAX_NUMBER)


def _parse_names(text: str, what: str) -> tuple[str, ...]:
    names = read_json(text, what)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ArchspecError(f"{what} must be a list of names")
    return tuple(names)


def _parse_object(text: str, what: str) -> dict[str, Any]:
    found = read_json(text, what)
    if not isinstance(found, dict):
        raise ArchspecError(f"{what} must be a JSON object")
    return found


def _parse_counts(text: str, what: str) -> dict[str, int]:
    return {name: check_integer(count, f"{what}: {name}") for name, count in _parse_object(text, what).items()}


def _parse_epoch(text: str, what: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,9}) of ([0-9]{1,9})", text)
    if match is None:
        raise ArchspecError(f"{what} must be as in '3 of 30', found {tell_value(text)}")
    return int(match[1]), int(match[2])


def _print_epoch(value: tuple[int, int]) -> str:
    return "{} of {}".format(*value)


_Text = partial(MetadataKey[str], parse=_keep, print=_keep)
_Number = partial(MetadataKey[int], parse=_parse_number, print=str)
_Names = partial(MetadataKey[tuple[str, ...]], parse=_parse_names, print=json.dumps)
_Object = partial(MetadataKey[dict[str, Any]], parse=_parse_object, print=json.dumps)

# What an export writes (compiler/onnx_target, runtime/int8).
NAME = _Text("archspec.name")
"""The name of the network."""
GRAPH = _Text("archspec.graph")
"""The hash of the network that the file was made from; weights say it of the network that was trained."""
WEIGHTS = _Text("archspec.weights")
"""The hash of the weights that the file was made from."""
SIZES = MetadataKey("archspec.sizes", parse_sizes, print_sizes)
"""The values that each dynamic size accepts."""
ROWS = MetadataKey("archspec.rows", _parse_counts, partial(json.dumps, sort_keys=True))
"""The numbers below which the whole numbers of an input lie, by the input's name."""
PRECISION = _Text("archspec.precision")
"""The precision that the file was exported in: fp32, fp16, bf16 or int8."""
TARGET = _Text("archspec.target")
"""The runtime and processor that its operations were chosen for."""
CONTENT = _Text("archspec.content")
"""The hash of all that stands in the file (compiler/onnx_file/digest.py)."""
INT8 = MetadataKey("archspec.int8", _parse_object, partial(json.dumps, sort_keys=True))
"""The report of the quantization: how the network was quantized, and what that cost."""

# What a session writes into the optimized form of a model (runtime/session/provenance.py).
OPTIMIZED = _Text("archspec.optimized")
"""The runtime and processor that the file was optimized for."""
FINGERPRINT = _Text("archspec.optimized.fingerprint")
"""The SHA-256 of the model that it was made from."""
FILES = _Object("archspec.optimized.files")
"""The states of the model's files and of its own."""
SEAL = _Text("archspec.optimized.seal")
"""The SHA-256 of all bytes before."""

# What training writes with the weights, and an export takes over (runtime/training).
TASK = _Text("archspec.task")
"""The task that the answering output answers."""
CLASSES = _Names("archspec.classes")
"""The names of its channels, in order."""
PREPROCESS = _Text("archspec.preprocess")
"""The way in which pictures become the input, as JSON of `runtime.pictures.preprocess.Preprocess`."""
STRIDE = _Number("archspec.stride")
"""The distance of the positions of the answering output, in pixels of the input."""
DATA = _Text("archspec.data")
"""The name of the data set."""
EPOCH = MetadataKey("archspec.epoch", _parse_epoch, _print_epoch)
"""The epoch after which training was stopped, and of how many it was to be."""

# What training writes with the weights alone (archspec.api, runtime/training).
SPEC_HASH = _Text("archspec.spec")
"""The hash of the spec's text."""
SETTINGS = _Object("archspec.settings")
"""The recipe that the network was trained by: the fields of `runtime.recipes.recipe.Recipe`."""

TRAINED_INT8 = _Object("archspec.trained_int8")
"""The scales by which the network was trained in integers (runtime/int8/trained.py): an export in int8 takes them over,
and says in INT8 what it did."""

# What is written where several networks, or less than one, became a model.
COMBINE = _Text("archspec.combine")
"""The way in which the answers of an ensemble's members become one: mean or vote."""
MEMBERS = _Number("archspec.members")
"""The number of members of an ensemble."""
OUTPUT = _Text("archspec.output")
"""The kind of the outputs where they are no logits: `shares`, which no softmax must follow."""
MONTE_CARLO = _Object("archspec.monte_carlo")
"""The data set, batch and seed that the members' statistics come from."""
LEFT_OUT = _Names("archspec.left_out")
"""The parts that were left out."""

SHARES = "shares"
"""The value of OUTPUT for outputs that are shares of votes."""

QUESTION: tuple[MetadataKey[Any], ...] = (CLASSES, PREPROCESS, TASK, STRIDE)
"""The keys of what a model is asked: the names of its answers, how it reads a picture, its task, its stride."""

CARRIED: tuple[MetadataKey[Any], ...] = (*QUESTION, DATA, EPOCH, TRAINED_INT8)
"""The keys that an export takes over from weights; of the last it says in INT8 what it did by it."""

EXPORTED = (NAME, GRAPH, WEIGHTS, SIZES, ROWS, PRECISION, TARGET, CONTENT, INT8, OPTIMIZED)
"""The keys that the export alone writes; more of each may follow behind a dot."""


def select(metadata: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """Select the part of the metadata under these keys."""
    return {str(key): metadata[key] for key in keys if key in metadata}


def read_sizes(metadata: Mapping[str, str]) -> dict[str, AcceptedSize]:
    """Read the accepted sizes by name; none where the metadata say none. Raises ArchspecError where they are
    malformed."""
    return SIZES.read(metadata) or {}


def tell_epoch(metadata: Mapping[str, str]) -> str | None:
    """Tell that training was stopped before these weights, or those of a model, were finished; None where it was not.

    Raises ArchspecError where the metadata are malformed.
    """
    stopped = EPOCH.read(metadata)
    return None if stopped is None else f"weights after epoch {_print_epoch(stopped)}: training was stopped"


@raising(InputError)
def check_metadata(metadata: Any) -> dict[str, str]:
    """Check the metadata that a caller gives, and return them. Raises InputError where they are not texts by name that
    a file can hold, or would say what the export itself says."""
    if not isinstance(metadata, Mapping):
        raise ArchspecError(f"metadata are texts by name, found {tell_value(metadata)}")
    for name, text in metadata.items():
        shown = cut_middle(repr(name), 80)
        for part in (name, text):
            if not isinstance(part, str):
                raise ArchspecError(f"metadata are texts by name; of {shown} {tell_value(part)} is none")
        if not name or not all(map(_is_text, (name, text))):
            raise ArchspecError(f"metadata are texts by name; {shown} holds a NUL or half a character, or is empty")
        if is_exported(name):
            raise ArchspecError(f"the export writes the metadata {shown} itself: choose another name")
    size = sum(len(name) + len(text) for name, text in metadata.items())
    if size > MAX_CHARACTERS:
        raise ArchspecError(f"the metadata have {size:,} characters; a model holds at most {MAX_CHARACTERS:,}")
    return dict(metadata)


def is_exported(name: str) -> bool:
    """True if the export itself writes metadata of this name."""
    return any(name == key or name.startswith(f"{key}.") for key in EXPORTED)


def _is_text(text: str) -> bool:
    """Tell whether a file can hold it: no NUL, no lone half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
