"""The extents of a graph as functions of its sizes, and the conditions that must hold of them for the graph to fit.

The functions come from the operations' own shape rules: an operation is asked for its result at other extents, and says
by its `stride_fraction` how that goes on. Equal functions are one, so that of a network of hundreds of layers a few are
left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod

from archspec import ops
from archspec.ops import Layer, Op, Shape
from archspec.ops.base import Pointwise
from archspec.ops.fields import at_axis
from archspec.ops.merge import Repeating
from archspec.ops.values import ONE
from compiler.graph import Node
from compiler.rule_table import NamedRules
from compiler.sizes.conditions import ExtentCondition, are_equal, can_be_repeated, differ_evenly, divide, hold, limit
from compiler.sizes.laws import (
    ConstantLaw,
    Extent,
    ExtremeLaw,
    Law,
    LayerLaw,
    MultipleLaw,
    ProductLaw,
    ShapeLaw,
    SizeLaw,
    SumLaw,
    replace_extent,
)


class GraphExtents:
    """The extents of a graph's nodes, as far as they were added; `of` has the numbers of each node's."""

    def __init__(self, sizes: Mapping[str, int], nodes: Iterable[Node] = ()) -> None:
        self.sizes = sizes
        self.all: list[Extent] = []
        self.of: dict[str, tuple[int, ...]] = {}
        self.conditions: dict[ExtentCondition, None] = {}
        self.kept: dict[int, None] = {}
        """Extents that the shape of some weight depends on, and others that belong to a trained network."""
        self._numbers: dict[object, int] = {}
        self._laws: dict[object, LayerLaw | None] = {}
        self._followed: dict[tuple[int, tuple[tuple[int, ...], ...]], tuple[int, ...]] = {}
        self._alive: list[Op] = []
        """The operations by whose ids something is kept, so that these stay theirs."""
        for node in nodes:
            self.add(node)

    def add(self, node: Node) -> None:
        operands = [self.of[id] for id in node.inputs]
        if operands and not any(self.vary(extents) for extents in operands):
            self.of[node.id] = tuple(map(self.constant, node.shape))
            return
        key = id(node.op), tuple(operands)
        if operands and key in self._followed:  # repeated blocks share their operations
            self.of[node.id] = self._followed[key]
            return
        self._alive.append(node.op)
        self.of[node.id] = self._followed[key] = tuple(_FOLLOWED.find(type(node.op))(node.op, self, node, *operands))
        self._keep_weights(node, operands)

    def letters(self, extents: Iterable[int]) -> frozenset[str]:
        """Find the sizes that some of these depend on."""
        return frozenset[str]().union(*(self.all[i].letters for i in extents))

    def vary(self, extents: Iterable[int]) -> bool:
        return any(self.all[i].letters for i in extents)

    def shape(self, extents: Sequence[int]) -> Shape:
        """Give these extents at the graph's own sizes."""
        return Shape(*(self.all[i].own for i in extents))

    def constant(self, value: int) -> int:
        return self.put(ConstantLaw(value), (), ConstantLaw(value))

    def put(self, law: Law, operands: tuple[int, ...], key: object) -> int:
        """Give the number of the extent with this law; `key` has in common those that are the same."""
        known = self._numbers.get((key, operands))
        if known is not None:
            return known
        letters = self.letters(operands)
        if isinstance(law, SizeLaw):
            own: int | None = self.sizes[law.name]
            letters = frozenset({law.name})
        else:
            own = law(*(self.all[i].own for i in operands))
        assert own is not None
        self._numbers[key, operands] = number = len(self.all)
        self.all.append(Extent(law, operands, letters, own))
        return number

    def demand(self, condition: ExtentCondition) -> None:
        if self.vary(condition.operands):
            self.conditions[condition] = None

    def extreme(self, choose: Callable[[Iterable[int]], int], operands: Iterable[int]) -> int:
        distinct = tuple(sorted(set(operands)))
        if not self.vary(distinct):
            return self.constant(choose(self.all[i].own for i in distinct))
        return distinct[0] if len(distinct) == 1 else self.put(ExtremeLaw(choose), distinct, choose)

    def equal(self, operands: Iterable[int]) -> int:
        """Give one of several extents that must be equal: a fixed one where there is one."""
        distinct = sorted(set(operands), key=lambda i: (bool(self.all[i].letters), i))
        if len(distinct) > 1:
            self.demand(ExtentCondition(are_equal, tuple(distinct), compares=True))
        return distinct[0]

    def gather(self, law: Callable[[int], ProductLaw | SumLaw], operands: Sequence[int]) -> int:
        """Put in a product or a sum of which the fixed operands are one number."""
        moving = tuple(sorted(i for i in operands if self.all[i].letters))
        fixed = [self.all[i].own for i in operands if not self.all[i].letters]
        start = prod(fixed) if law is ProductLaw else sum(fixed)
        if len(moving) == 1 and start == (law is ProductLaw):
            return moving[0]
        return self.put(law(start), moving, law(start)) if moving else self.constant(start)

    def step(self, op: Op, extents: Sequence[int], position: int) -> int | None:
        """Put in what a layer makes of one of its operand's extents; None where it may depend on the others."""
        x = self.shape(extents)
        law = self._find_law(op, x, position)
        if law is None:
            return None
        if (
            law.stride_fraction is None
            and law(1) == law(x[position])
            and (not position or op.fixes_extents or op.input_span(position - 1, (0, 0), x)[0] is None)
        ):
            return self.constant(law(1) or 1)
        key, operand = law.describe(), extents[position]
        unchanged = law.stride_fraction == 1 and law(x[position]) == x[position] and not law.refuses
        return operand if unchanged else self.put(law, (operand,), key)

    def _find_law(self, op: Op, x: Shape, position: int) -> LayerLaw | None:
        key = id(op), x, position
        if key not in self._laws:
            fraction = op.stride_fraction(position - 1) if position else ONE
            moving, still = LayerLaw(op, x, position, fraction), LayerLaw(op, x, position, None)
            self._laws[key] = moving if moving.follows_stride() else still if still.stays() else None
        return self._laws[key]

    def _keep_weights(self, node: Node, operands: Sequence[Sequence[int]]) -> None:
        for axis in node.op.fixed_axes(self.shape(operands[0])) if operands else ():
            self._keep(operands[0][axis])
        if type(node.op).weights in (Op.weights, Layer.weights):
            return
        for extents in operands:
            x = self.shape(extents)
            for position, number in enumerate(extents):
                if self.all[number].letters and self._shapes_weights(node.op, x, position):
                    self._keep(number)

    def _shapes_weights(self, op: Op, x: Shape, position: int) -> bool:
        """Tell whether the shape of some weight depends on this extent of a layer's operand."""
        key = id(op), x, position, "weights"
        if key not in self._laws:
            shapes = (x, replace_extent(x, position, 2 * x[position]))
            own, other = ({name: one.shape for name, one in op.weights(shape).items()} for shape in shapes)
            self._laws[key] = None if own == other else LayerLaw(op, x, position, None)
        return self._laws[key] is not None

    def _keep(self, number: int) -> None:
        """Keep an extent at its own value. A product or sum stays the same where all its operands do."""
        extent = self.all[number]
        if isinstance(extent.law, ProductLaw | SumLaw) and len(extent.operands) > 1:
            for operand in extent.operands:
                self._keep(operand)
        elif extent.letters:
            self.kept[number] = None


_FOLLOWED: NamedRules[Callable[..., Iterable[int]]] = NamedRules()
_follows = _FOLLOWED.rule


@_follows("Op")
def _follow(op: Op, to: GraphExtents, node: Node, *operands: tuple[int, ...]) -> Iterable[int]:
    """The extents of an operation's result. What has no rule here takes values of one shape and gives that shape, or is
    of a file, and known at the extents that it was read with."""
    if any(to.shape(extents) != node.shape for extents in operands):
        for number in {number for extents in operands for number in extents}:
            to.demand(hold(number, to.all[number].own))
        return map(to.constant, node.shape)
    return [to.equal(extents) for extents in zip(*operands, strict=True)]


@_follows("Input")
def _follow_input(op: ops.Input, to: GraphExtents, node: Node) -> Iterable[int]:
    return [to.put(SizeLaw(entry), (), entry) if isinstance(entry, str) else to.constant(entry) for entry in op.dims]


@_follows("Layer")
def _follow_layer(op: Layer, to: GraphExtents, node: Node, x: tuple[int, ...], *ys: tuple[int, ...]) -> Iterable[int]:
    if type(op).infer is Pointwise.infer:
        return x
    found: list[int | None] = [None]
    if node.shape.rank == len(x) - 1:
        found = [
            to.step(op, x, position) if to.vary([extent]) else to.constant(node.shape[position])
            for position, extent in enumerate(x)
        ]
    if None in found:
        return [to.put(ShapeLaw(op, i), x, (id(op), i)) for i in range(len(node.shape))]
    channels, *space = [number for number in found if number is not None]
    return [channels, *map(to.equal, zip(space, *(y[1:] for y in ys), strict=True))]


@_follows("Flatten")
def _follow_flatten(op: ops.Flatten, to: GraphExtents, node: Node, x: tuple[int, ...]) -> Iterable[int]:
    return [to.gather(ProductLaw, x)]


@_follows("Tokens")
def _follow_tokens(op: ops.Tokens, to: GraphExtents, node: Node, x: tuple[int, ...]) -> Iterable[int]:
    return [x[0], to.gather(ProductLaw, x[1:])]


@_follows("Transpose")
def _follow_transpose(op: ops.Transpose, to: GraphExtents, node: Node, x: tuple[int, ...]) -> Iterable[int]:
    return reversed(x)


@_follows("Map")
def _follow_map(op: ops.Map, to: GraphExtents, node: Node, x: tuple[int, ...], like: tuple[int, ...]) -> Iterable[int]:
    to.equal((x[1], to.gather(ProductLaw, like[1:])))
    return [x[0], *like[1:]]


@_follows("ConcatPositions")
def _follow_joining(op: ops.ConcatPositions, to: GraphExtents, node: Node, *xs: tuple[int, ...]) -> Iterable[int]:
    for axis, extents in enumerate(zip(*xs, strict=True)):
        yield to.gather(SumLaw, extents) if axis == op.axis else to.equal(extents)


@_follows("Learned")
@_follows("Linear")
def _follow_fixed(op: Op, to: GraphExtents, node: Node, x: tuple[int, ...]) -> Iterable[int]:
    return map(to.constant, node.shape)


@_follows("PadChannels")
def _follow_pad_channels(op: ops.PadChannels, to: GraphExtents, node: Node, x: tuple[int, ...]) -> Iterable[int]:
    to.demand(limit(x[0], op.out))
    return [to.constant(op.out), *x[1:]]


@_follows("GroupNorm")
def _follow_group_norm(op: ops.GroupNorm, to: GraphExtents, node: Node, x: tuple[int, ...]) -> Iterable[int]:
    to.demand(divide(x[0], op.groups))
    return x


@_follows("Concat")
def _follow_concat(op: ops.Concat, to: GraphExtents, node: Node, *xs: tuple[int, ...]) -> Iterable[int]:
    channels, *space = zip(*xs, strict=True)
    return [to.gather(SumLaw, channels), *map(to.equal, space)]


@_follows("Attention")
def _follow_attention(op: ops.Attention, to: GraphExtents, node: Node, *xs: tuple[int, ...]) -> Iterable[int]:
    query, key, value = xs
    places = [to.equal(extents) for extents in zip(key[1:], value[1:], strict=True)]
    to.demand(ExtentCondition(are_equal, (query[0], key[0]), compares=True))
    yield to.constant(node.shape.channels)
    for axis, extent in enumerate(query[1:]):
        if op.compares_itself:
            extent = to.equal([extent, places[axis]])
        if op.window is not None:
            to.demand(divide(extent, at_axis(op.window, axis)))
        yield extent


@_follows("EnterWindows")
def _follow_enter_windows(op: ops.EnterWindows, to: GraphExtents, node: Node, x: tuple[int, ...]) -> Iterable[int]:
    laws = [MultipleLaw(at_axis(op.size, axis)) for axis in range(len(x) - 1)]
    return [x[0], *(to.put(law, (extent,), law) for law, extent in zip(laws, x[1:], strict=True))]


@_follows("Repeating")
def _follow_repeating(op: Repeating, to: GraphExtents, node: Node, *xs: tuple[int, ...]) -> Iterable[int]:
    return _repeat(to, xs) if op.repeats else _follow(op, to, node, *xs)


@_follows("RepeatSpace")
def _follow_repeat_space(op: ops.RepeatSpace, to: GraphExtents, node: Node, *xs: tuple[int, ...]) -> Iterable[int]:
    return [xs[0][0], *_repeat(to, [x[1:] for x in xs])]


def _repeat(to: GraphExtents, xs: Sequence[tuple[int, ...]]) -> Iterable[int]:
    one = to.constant(1)
    for extents in zip(*xs, strict=True):
        factors = sorted({*extents} - {one}) or [one]
        if len(factors) > 1:
            to.demand(ExtentCondition(can_be_repeated, tuple(factors), compares=True, constants=(1,)))
        yield to.extreme(max, factors)


@_follows("Crop")
def _follow_crop(op: ops.Crop, to: GraphExtents, node: Node, *xs: tuple[int, ...]) -> Iterable[int]:
    yield xs[0][0]
    for extents in [*zip(*xs, strict=True)][1:]:
        cut = to.extreme(min, extents)
        if cut != extents[0]:
            _demand_parity(to, extents[0], cut)
        yield cut


def _demand_parity(to: GraphExtents, whole: int, cut: int) -> None:
    """Demand that what is cut off is even. Where that depends on several sizes, each is held to its remainder by
    itself."""
    parts = (whole, *to.all[cut].operands)
    letters = [to.all[part].letters for part in parts]
    if len(to.letters(parts)) > 1 and all(len(part) <= 1 for part in letters):
        for part in parts:
            to.demand(divide(part, 2, to.all[part].own % 2))
    else:
        to.demand(ExtentCondition(differ_evenly, (whole, cut), modulus=2))


@_follows("PadSpace")
def _follow_pad_space(op: ops.PadSpace, to: GraphExtents, node: Node, *xs: tuple[int, ...]) -> Iterable[int]:
    return [xs[0][0], *(to.extreme(max, extents) for extents in [*zip(*xs, strict=True)][1:])]


@_follows("MaxUnpool")
def _follow_max_unpool(op: ops.MaxUnpool, to: GraphExtents, node: Node, *xs: tuple[int, ...]) -> Iterable[int]:
    x, pooled = xs
    pooling = replace(node, shape=op.pooling.infer(to.shape(pooled)))
    for extents in zip(x, _follow_layer(op.pooling, to, pooling, pooled), strict=True):
        to.equal(extents)
    return pooled


@_follows("LeaveWindows")
@_follows("Resize")
def _follow_like(op: Op, to: GraphExtents, node: Node, *xs: tuple[int, ...]) -> Iterable[int]:
    return [xs[0][0], *xs[1][1:]]
