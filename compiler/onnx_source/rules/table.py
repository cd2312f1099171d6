"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from compiler.onnx_source.call import Call
from compiler.onnx_source.values import Operand

Rule: TypeAlias = Callable[[Call], "Operand | list[Operand]"]
"""A function from a node at work, at least one of whose operands is computed, to its result or results. It raises
UnknownOpError where no operation says what the node does, and ArchspecError where the file is wrong."""
