"""The texts on boxes: operations in their spec's words, shapes, and counts in short."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from archspec.ops import Input, Merge, Op, Shape
from archspec.wording import write_shape
from compiler.tree import write_field

SILENT = {
    *("bias", "init", "eps", "momentum", "affine", "start", "gain", "mode", "slope", "alpha", "trainable"),
    *("draw", "rescale", "per", "over"),
}
"""The fields that a label leaves out."""

PLACES = ("axis", "start", "stop", "step")
"""The fields that say along an axis what is taken: where an operation has an axis, all of them tell something."""

USUAL = ("same", False, 1)
"""The values that go without saying."""

MAX_LETTERS = 44
"""The largest number of letters of a line on a box; a longer one is cut, and whole in the box's title."""


def label_op(op: Op, last: Op, rank: int) -> str:
    """Write an operation as `conv 3×3, 64, /2`; where it stands for several, numbers go from the first to the last of
    them."""
    if isinstance(op, Input | Merge):
        return op.word
    facts, others = op.facts, last.facts
    fields = {name: _spell(fact, others.get(name)) for name, fact in facts.items()}
    if op.word in ("scale", "shift") and "value" in fields:
        sign = "×" if op.word == "scale" else "+"
        return (
            f"{sign} learned, from {fields['value']}"
            if getattr(op, "trainable", False)
            else f"{sign} {fields['value']}"
        )
    kernel, stride = facts.get("kernel"), facts.get("stride")
    across = kernel if isinstance(kernel, str) else write_shape(_spread(kernel, rank))
    window = [f"{op.word} {across}"] if kernel else [op.word]
    main = op.main if op.main in facts and op.main not in ("kernel", *SILENT) else None
    window += [fields[main]] if main and kernel else []
    words = [" ".join([*window, fields[main]])] if main and not kernel and fields[main] != "None" else window
    usual = (None, 1) if op.word.startswith("conv") else (None, kernel)
    step = write_shape(stride) if isinstance(stride, tuple) else stride
    words += [f"stride {step}" if op.word == "conv_transpose" else f"/{step}"] if stride not in usual else []
    rest = {name: fact for name, fact in op.chosen.items() if name not in ("kernel", "stride", op.main)}
    words += [f"{name} = {fields[name]}" for name, fact in rest.items() if is_told(name, fact, facts, op.family)]
    return ", ".join(words)


def is_told(name: str, value: Any, fields: Container[str], family: str) -> bool:
    """Tell whether a field that has not its default is worth a word beside the other fields of its operation: not one
    that labels leave out; but a bias that is a word, since it is no number for each channel then, and what is reduced
    or shared over, where that is no normalization's."""
    if "axis" in fields and name in PLACES:
        return True
    tells = (name == "bias" and isinstance(value, str)) or (name == "over" and family != "norm")
    return (tells or name not in SILENT) and value not in USUAL


def _spread(value: Any, rank: int) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,) * max(1, rank)


def _spell(first: Any, last: Any) -> str:
    texts = [f"{value:.4g}" if isinstance(value, float) else write_field(value) for value in (first, last)]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} … {texts[1]}"


def label_shapes(first: Shape, last: Shape) -> str:
    """Write `64×56×56`, or `96 … 256×56×56` where only the channels grow from the first of several to the last."""
    if first == last:
        return str(first)
    return f"{first.channels} … {last}" if first.space == last.space else f"{first} … {last}"
