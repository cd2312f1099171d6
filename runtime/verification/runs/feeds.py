"""Inputs that a model file is run with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.extras import extra
from runtime.session.inputs import choose_batches, choose_shapes, make_inputs
from runtime.session.session import Session
from runtime.verification.checks import UnansweredError
from runtime.verification.model.input_ranges import find_ranges
from runtime.verification.model.inside import ModelInside
from runtime.verification.options import VerifyOptions
from runtime.verification.proof.cases import MAX_PROOF_MACS, choose_small
from runtime.verification.witness.witness import Witness

with extra("run"):
    from onnx import NodeProto, TensorProto

    from compiler.onnx_file.nodes import find_captured, read_attribute


NUMBERS = frozenset(
    {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE, TensorProto.BOOL}
    | {getattr(TensorProto, f"{sign}INT{bits}") for sign in ("", "U") for bits in (8, 16, 32, 64)}
)
"""The types of which inputs can be made up."""

MOVING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Slice", "Concat", "Expand"})
"""The operations whose first operand stays what it is."""

COUNTING = frozenset({"Add", "Sub", "Mul", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Where", "Not"})
"""The operations that take whole numbers of any size, and truth values."""

EIGHT_BITS = ("QLinear", "Dequantize", "ConvInteger", "MatMulInteger")
"""The beginnings of the kinds of operations that take numbers of eight bits."""


class Feeds:
    """A maker of inputs: standard normal numbers; where the file rounds these to integers and hardly any is left,
    others over all of its range; of whole numbers, those below the length of the tables that they are looked up in,
    below 2 where they are masks or counted with, and else zeros, since any other might be a size or a place out of
    range.

    The session raises ArchspecError where sizes do not fit it.
    """

    def __init__(self, inside: ModelInside, session: Session, seed: int) -> None:
        self.session, self.seed = session, seed
        self.ranges = find_ranges(inside)
        self._bounds = {
            name: _bound(inside, name, dtype) for name, dtype in session.dtypes.items() if dtype.kind in "iub"
        }

    @property
    def steering(self) -> list[str]:
        """The inputs of which only zeros can be made up: they may be sizes, axes or places."""
        return [name for name, bound in self._bounds.items() if bound == 1]

    def make(self, batch: int, sizes: Mapping[str, int], turn: int = 0, reach: str | None = None) -> dict[str, Array]:
        """Make inputs of that batch and those sizes; others at another turn, and fractions of a `reach`, if any."""
        seed = self.seed + turn
        feed = make_inputs(self.session, batch, sizes, seed)
        generator = np.random.default_rng(seed)
        for name, bound in self._bounds.items():
            feed[name] = generator.integers(0, bound, feed[name].shape).astype(feed[name].dtype)
        feed = {name: self.ranges[name].fill(array) if name in self.ranges else array for name, array in feed.items()}
        return move_into(reach, feed) if reach else feed

    def choose(self, witness: Witness, options: VerifyOptions) -> Iterator[dict[str, Array]]:
        """Inputs of each chosen batch and size, no shape twice; its own size where that is cheap, or all it takes.

        Raises ArchspecError where the file does not take such a batch, or has no such size.
        """
        if options.batches:
            choose_batches(self.session, options.batches)

        def is_cheap(batch: int, sizes: Mapping[str, int]) -> bool:
            return witness.count_macs(self._outline(batch, sizes)) <= MAX_PROOF_MACS

        seen: set[tuple[tuple[int, ...], ...]] = set()
        for batch, sizes in options.cases or [*choose_small(self.session.sizes, is_cheap), (1, {})]:
            shapes = tuple(choose_shapes(self.session, batch, sizes).values())
            if shapes not in seen and (options.cases or sizes or not seen or is_cheap(batch, sizes)):
                seen.add(shapes)
                yield self.make(batch, sizes)

    def _outline(self, batch: int, sizes: Mapping[str, int]) -> dict[str, Array]:
        """Inputs of these shapes and types without memory for each of their numbers, which are all zero."""
        shapes = choose_shapes(self.session, batch, sizes)
        return {name: np.broadcast_to(np.zeros((), self.session.dtypes[name]), shape) for name, shape in shapes.items()}


def _compress(array: Array) -> Array:
    return 1 / (1 + np.abs(array))


def _lift(array: Array) -> Array:
    return 1 + np.abs(array)


REACHES: Mapping[str, Callable[[Array], Array]] = {"between 0 and 1": _compress, "from 1 on": _lift}
"""The reaches in which logarithms, powers and inverse hyperbolic functions have values too, and what becomes of normal
numbers there."""


def move_into(reach: str, feed: Mapping[str, Array]) -> dict[str, Array]:
    """Move feeds into the range with fractions of a reach."""
    move = REACHES[reach]
    return {name: move(array) if array.dtype.kind == "f" else array for name, array in feed.items()}


def check_values(inside: ModelInside) -> None:
    """Raises UnansweredError where an input is of no numbers: none can be made up; and where an output is no array."""
    for item in inside.inputs:
        kind = item.type.tensor_type.elem_type
        if kind not in NUMBERS:
            what = TensorProto.DataType.Name(kind).lower() if kind else str(item.type.WhichOneof("value"))
            raise UnansweredError(
                f"{inside.path} takes {'text' if what == 'string' else what} in '{item.name}', and verify makes up "
                "plain numbers alone: the file is sound to onnx's checker, and was not run"
            )
    for item in inside.model.graph.output:
        what = item.type.WhichOneof("value") or "tensor_type"
        if what != "tensor_type":
            raise UnansweredError(
                f"{inside.path} gives {what} in '{item.name}', and verify compares arrays alone: the file is sound to "
                "onnx's checker, and was not run"
            )


def _bound(inside: ModelInside, name: str, dtype: np.dtype[Any]) -> int:
    """Find below which whole numbers an input may be of any: see Feeds."""
    if dtype.kind == "b":
        return 2
    bounds: list[int] = []
    todo, seen = [name], set[str]()
    while todo:
        value = todo.pop()
        seen.add(value)
        for node in inside.model.graph.node:
            if value in find_captured(node):
                return 1
            if value in node.input:
                found = _bound_reader(inside, node, value)
                if found == 0:
                    todo += [given for given in node.output if given not in seen]
                else:
                    bounds.append(found)
    return min(bounds, default=1)


def _bound_reader(inside: ModelInside, node: NodeProto, value: str) -> int:
    """The bound that a reader sets; 0 where those of its result do."""
    position = list(node.input).index(value)
    if node.op_type in MOVING and (position == 0 or node.op_type == "Concat"):
        return 0
    if node.op_type == "Gather" and position == 1:
        table = inside.tensors.get(node.input[0])
        return table.dims[read_attribute(node, "axis", 0)] if table else 1
    if node.op_type.startswith(EIGHT_BITS):
        return 128
    if node.op_type == "Cast":
        return 0 if read_attribute(node, "to") in (TensorProto.INT32, TensorProto.INT64) else 2
    return 2 if node.op_type in COUNTING else 1
