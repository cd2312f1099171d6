"""The texts on boxes: operations in their spec's words, shapes, and counts in short."""

from __future__ import annotations

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
    said = {"kernel", "stride", op.main, *SILENT}
    words += [f"{name} = {fields[name]}" for name, fact in op.chosen.items() if _is_told(op, name, fact, said)]
    return ", ".join(words)


def _is_told(op: Op, name: str, fact: Any, said: set[str | None]) -> bool:
    """Tell whether a field that has not its default is worth a word: not one that stands there already, or that labels
    leave out; but a bias that is a word, since it is no number for each channel then."""
    if "axis" in op.facts and name in PLACES:
        return True
    return (name not in said or (name == "bias" and isinstance(fact, str))) and fact not in USUAL


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
