"""Rules about the signal at initialization. Without a spec nothing is known of that, and nothing is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import sqrt

from compiler.analysis.lint.context import LintContext
from compiler.analysis.lint.finding import Hit, LintRule
from compiler.analysis.signal.signal import FP16_LARGEST, FP16_SMALLEST, Exit, Signal


def find_exit(read: Callable[[Signal], Exit | None], told: str, context: LintContext) -> Iterator[Hit]:
    """Find the first block in which the signal leaves what fp16 holds."""
    exit = read(context.signal) if context.spec else None
    if exit is not None:
        where = f"in {exit.block}" if exit.block else f"at {exit.node}"
        message = f"{told} at initialization, first {where}, with a root mean square of {sqrt(exit.second_moment):.3g}"
        source = context.graph[exit.node].source
        yield Hit(message, source.place, (exit.node,), source.calls)


def find_gradient_spread(context: LintContext) -> Iterable[Hit]:
    gradients = {id: sqrt(second) for id, second in _kernel_gradients(context)}
    if not gradients:
        return
    low, high = min(gradients, key=gradients.__getitem__), max(gradients, key=gradients.__getitem__)
    ratio = gradients[high] / gradients[low]
    if ratio > FP16_LARGEST / FP16_SMALLEST:
        first = next(id for id in gradients if id in (low, high))
        message = f"gradients at initialization are {ratio:.2g} times as large at {high} as at {low}"
        source = context.graph[first].source
        yield Hit(message, source.place, (low, high), source.calls)


def _kernel_gradients(context: LintContext) -> Iterator[tuple[str, float]]:
    """The gradient's second moment at each layer with a kernel, where one is known and arrives."""
    for node in context.signal.nodes if context.spec else ():
        if node.gradient_second_moment and context.graph[node.id].op.has_kernel:
            yield node.id, node.gradient_second_moment


_RANGE = (
    "fp16 holds numbers up to 65,504, and none between zero and 2⁻²⁴. The second moment of a sum of independent "
    "branches is the sum of theirs, so without normalization it doubles with each residual block (Prince, 2023, "
    "section 11.3), and with weights of another size than `he` draws it changes by a factor with each layer. Reported "
    "is the first block with a value six standard deviations from the mean beyond the largest number, or a root mean "
    "square below the smallest; `archspec analyze --variance` shows the whole curve."
)

RULES = (
    LintRule(
        "signal-overflow",
        "values grow with depth beyond what fp16 holds",
        "normalize, scale the sums (`residual: {scaling: …}` in `defaults`), or draw smaller weights (`gain`)",
        _RANGE,
        check=partial(find_exit, lambda signal: signal.overflow, "values leave the range of fp16"),
    ),
    LintRule(
        "signal-vanishes",
        "values shrink with depth below what fp16 holds",
        "normalize, or draw weights with `init: he`",
        _RANGE,
        check=partial(find_exit, lambda signal: signal.underflow, "values vanish below what fp16 holds"),
    ),
    LintRule(
        "gradient-spread",
        "gradients of the layers differ by more than fp16 holds",
        "give residual blocks an identity shortcut, normalize, or scale the sums",
        "The ratio of the largest to the smallest root mean square, over the layers with a kernel, is above that of "
        "the largest to the smallest number of fp16, so that no scaling of the loss brings all of them into its "
        "range. In a plain network with batch normalization and ReLU the gradient grows by about 1.21 with each layer "
        "(Prince, 2023, problem 11.13); behind weights of another size than `he` draws it changes faster.",
        check=find_gradient_spread,
    ),
)
