"""Rules about the taps of kernels: those that never meet a value, and results that few of them or none reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import gcd, prod

from archspec.ops import Conv, ConvTranspose, Op, Shape, Window
from archspec.ops.fields import one_or_each
from compiler.analysis.lint.context import LintContext
from compiler.analysis.lint.finding import Hit, LintRule, at_each_place
from compiler.graph import Graph, Node


def count_idle(op: Op, *xs: Shape) -> int:
    """Count the weights of a kernel whose taps lie in the padding wherever the kernel stands, for operands of these
    shapes: they change nothing, and their gradient is exactly zero."""
    live = op.live_taps(*xs)
    kernel = op.weights(*xs).get("weight")
    if not live or kernel is None:
        return 0
    taps = prod(kernel.shape[-len(live) :])
    return kernel.numel // taps * (taps - prod(live))


def find_idle_taps(context: LintContext) -> Iterable[Hit]:
    graph = context.graph

    def tell(group: Sequence[Node]) -> str:
        node, (x, *_) = group[0], graph.operands(group[0])
        idle, all_ = count_idle(node.op, x), node.op.weights(x)["weight"].numel
        where = "what they write lies outside the result" if isinstance(node.op, ConvTranspose) else "only padding"
        return f"{idle:,} of the {all_:,} weights of this {node.op.kind} never meet a value of {x}: {where}"

    counted: dict[tuple[int, tuple[Shape, ...]], int] = {}  # repeated blocks share their operations

    def is_idle(node: Node) -> bool:
        key = id(node.op), graph.operands(node)
        if key not in counted:
            counted[key] = count_idle(node.op, *key[1])
        return counted[key] > 0

    idle = (node for node in graph if node.inputs and is_idle(node))
    return at_each_place(idle, tell, lambda group: _tell_smaller(graph, group[0]))


def _tell_smaller(graph: Graph, node: Node) -> str:
    """The kernels and dilations with which the same convolution has no idle tap; nothing where there are none."""
    x, op = graph.operands(node)[0], node.op
    if not isinstance(op, Conv):
        return ""
    live = set(op.live_taps(x))
    if live == {1}:
        return "give it `kernel: 1`, which computes the same"
    found = [f"`{name}: {value}`" for name, value in _list_smaller(op, x) if _fits(op, name, value, x)]
    return f"give it {' or '.join(found)}, or a larger map" if found else ""


def _list_smaller(op: Conv, x: Shape) -> Iterator[tuple[str, int]]:
    """The largest dilation, and the largest kernel, with which no tap in the middle reaches beyond an end, where these
    are one for all axes."""
    far = min(x.space) - 1
    if isinstance(op.dilation, tuple) or isinstance(op.kernel, tuple):
        return
    if op.dilation > 1 and op.kernel > 1:
        yield "dilation", min(op.dilation, far // (op.kernel // 2))
    yield "kernel", 2 * (far // op.dilation) + 1


def _fits(op: Conv, name: str, value: int, x: Shape) -> bool:
    if not 0 < value < getattr(op, name) or op.padding != "same":
        return False
    smaller = op.model_copy(update={name: value})
    return smaller.infer(x) == op.infer(x) and not count_idle(smaller, x)


def find_uneven_upsampling(context: LintContext) -> Iterable[Hit]:
    graph = context.graph

    def find_windows(node: Node) -> tuple[Window, ...]:
        assert isinstance(node.op, ConvTranspose)
        return node.op.windows(graph.operands(node)[0])

    uneven = [node for node in graph if isinstance(node.op, ConvTranspose) and _is_uneven(node.op, graph, node)]

    def tell(group: Sequence[Node]) -> str:
        op, windows = group[0].op, find_windows(group[0])
        counts = dict.fromkeys(counts for counts in map(count_writers, windows) if counts[0] != counts[1])
        if any(not least for least, _ in counts):
            return f"this {op.kind} reaches only some positions along an axis: the others hold the bias alone"
        along = "each axis" if len({*windows}) == 1 else "an axis"
        (least, most), *_ = counts
        return f"along {along} positions behind this {op.kind} are sums of {least} and of {most} taps in turns"

    return at_each_place(uneven, tell, lambda group: _tell_multiple(find_windows(group[0])))


def count_writers(window: Window) -> tuple[int, int]:
    """Count the fewest and the most taps of a transposed convolution that meet in a position far from the ends of an
    axis."""
    common = gcd(window.dilation, window.stride)
    turn = window.stride // common
    return 0 if common > 1 else window.kernel // turn, -(-window.kernel // turn)


def _is_uneven(op: ConvTranspose, graph: Graph, node: Node) -> bool:
    x = graph.operands(node)[0]
    counts = map(count_writers, op.windows(x))
    return any(least != most and size > 1 for (least, most), size in zip(counts, x.space, strict=True))


def _tell_multiple(windows: Sequence[Window]) -> str:
    multiples = one_or_each([-(-window.kernel // window.stride) * window.stride for window in windows])
    kernel = list(multiples) if isinstance(multiples, tuple) else multiples
    coprime = all(gcd(window.dilation, window.stride) == 1 for window in windows)
    dilation = "" if coprime else " with `dilation: 1`"
    return f"give it a kernel that is a multiple of the stride, such as `kernel: {kernel}`{dilation}"


RULES = (
    LintRule(
        "idle-taps",
        "weights of a kernel never meet a value",
        "take a smaller kernel or dilation, or a larger map",
        "A tap that lies in the padding wherever the kernel stands multiplies zeros alone: its weights change nothing "
        "and their gradient is exactly zero, though they are stored, and computed with. A 3×3 kernel on a map of one "
        "position is a 1×1 kernel that costs nine times as much, and so is one whose dilation is as large as the map: "
        "with the rates of DeepLab on a small map most weights are such (Chen et al., Rethinking Atrous Convolution, "
        "2017, figure 4). They are counted exactly, at the sizes of the network.",
        check=find_idle_taps,
    ),
    LintRule(
        "uneven-upsampling",
        "a transposed convolution reaches some positions more often than others",
        "give it a kernel that is a multiple of the stride",
        "Where the kernel is no multiple of the stride, neighbouring positions are sums of different numbers of taps, "
        "which shows as a checkerboard in what is computed of them (Odena, Dumoulin and Olah, Deconvolution and "
        "Checkerboard Artifacts, Distill, 2016); where it is smaller than the stride, or the dilation shares a factor "
        "with it, some positions hold the bias alone. Learned weights may even it out, and seldom do.",
        check=find_uneven_upsampling,
    ),
)
