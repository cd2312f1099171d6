"""The facts of a model file: what it is, and what it says of itself."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from archspec.errors import ArchspecError
from archspec.extras import extra
from compiler.onnx_file.metadata import CLASSES, PRECISION, PREFIX, read_sizes
from runtime.verification.model.inside import ModelInside

with extra("run"):
    from compiler.onnx_file.nodes import read_opset
    from compiler.onnx_file.skim import list_metadata

TYPES: Mapping[str, str] = MappingProxyType({"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "int8": "int8"})
"""The type that a file of each precision computes in."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A file in figures: `data` are the names of its external files, `stored` its tensors and `numbers` what they hold.
    `metadata` is everything that the file says under our own keys."""

    path: str
    bytes: int
    data: tuple[str, ...]
    opset: int
    ir_version: int
    producer: str
    nodes: int
    stored: int
    numbers: int
    dtype: str
    metadata: Mapping[str, str]

    @property
    def precision(self) -> str:
        """The precision that the export was asked for, where the file computes in that; else the type that it does
        compute in."""
        told = PRECISION.read(self.metadata) or ""
        return told if TYPES.get(told) == self.dtype else self.dtype

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; none where the metadata name none, or are malformed, as their row says."""
        try:
            return CLASSES.read(self.metadata, self.path) or ()
        except ArchspecError:
            return ()

    @property
    def sizes(self) -> dict[str, str]:
        """The sizes that it accepts, in words."""
        return {name: size.list_values() for name, size in read_sizes(self.metadata).items()}

    def to_dict(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "bytes": self.bytes,
            "data": list(self.data),
            "opset": self.opset,
            "ir_version": self.ir_version,
            "producer": self.producer,
            "nodes": self.nodes,
            "stored": self.stored,
            "numbers": self.numbers,
            "precision": self.precision,
            "metadata": {key.removeprefix(PREFIX): parse_metadata(value) for key, value in self.metadata.items()},
        }


def read_facts(inside: ModelInside) -> ModelFacts:
    """The facts of an open file. Raises ArchspecError where its metadata is malformed."""
    model = inside.model
    facts = ModelFacts(
        path=str(inside.path),
        bytes=inside.path.stat().st_size + sum((inside.path.parent / name).stat().st_size for name in inside.file.data),
        data=inside.file.data,
        opset=read_opset(model),
        ir_version=model.ir_version,
        producer=f"{model.producer_name} {model.producer_version}".strip() or "unknown",
        nodes=len(model.graph.node),
        stored=len(inside.tensors),
        numbers=sum(math.prod(tensor.dims) for tensor in inside.tensors.values()),
        dtype="int8" if inside.quantized else inside.dtype,
        metadata={key: text for key, text in list_metadata(model).items() if key.startswith(PREFIX)},
    )
    read_sizes(facts.metadata)
    return facts


def parse_metadata(text: str) -> Any:
    """Parse a text of the metadata: JSON is its value, other text stays as it is."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
