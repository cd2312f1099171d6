"""A file as a whole, as its nodes ask for it one by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

import onnx

from compiler.onnx_file.nodes import count_reads, read_opset
from compiler.onnx_source.file.inputs import FileInputs
from compiler.onnx_source.file.types import is_floating, name_type
from compiler.onnx_source.shapes import ShapeTable


@dataclass(frozen=True)
class SourceFile:
    """A model that is read at the extents of `inputs`."""

    path: Path
    model: onnx.ModelProto
    inputs: FileInputs

    @cached_property
    def opset(self) -> int:
        """The version of ONNX's own operations."""
        return read_opset(self.model)

    @cached_property
    def read_counts(self) -> Counter[str]:
        """The number of reads of each value by its name, as an output too."""
        return count_reads(self.model.graph)

    @cached_property
    def shapes(self) -> ShapeTable:
        """The shapes that no rule says."""
        return ShapeTable(self.model, self.inputs, self.opset)

    @cached_property
    def keeps_weights_in_nodes(self) -> bool:
        """True if the file has no stored tensors of more than one trainable number but those in nodes, as some
        converters write all weights; else the tensors in nodes are the exporter's constants."""
        graph = self.model.graph
        tensors = (*graph.initializer, *(sparse.values for sparse in graph.sparse_initializer))
        return not any(is_floating(name_type(item.data_type)) and prod(item.dims) > 1 for item in tensors)
