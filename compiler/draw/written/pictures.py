"""Pictures of the body of a block or a network as it is written in its spec.

Labels are the spec's own words and expressions. What the spec's params decide is decided: of a `when` only the branch
that is taken is drawn, of an encoder_decoder every level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from archspec.spec.body import CallNode
from archspec.spec.layers import LayerNode
from archspec.spec.nodes.flow import Dense, Repeat, Turns, When
from archspec.spec.nodes.levels import EncoderDecoder
from archspec.spec.nodes.merges import Branching
from archspec.spec.nodes.residual import Residual
from archspec.spec.nodes.taps import From, Output, Tap
from compiler.draw.frame import Caption, Polyline, Primitive, write_drawing
from compiler.draw.theme import KINDS, text_width
from compiler.draw.written.drawings import (
    GAP,
    BodyDrawing,
    around,
    beside,
    box,
    bracket,
    fan,
    inset,
    many,
    stack,
)
from compiler.draw.written.labels import BoxLabels, Subject, bound, spelled, wrap
from compiler.draw.written.valley import Level, valley

MAX_WIDTH = 1100
"""The largest width, in pixels, of drawings side by side; wider ones go below each other."""


def draw_subjects(subjects: Sequence[Subject], title: str) -> str:
    """Draw several drawings side by side in one SVG, each with its head."""
    parts: list[Primitive] = []
    x = y = height = width = 0.0
    for drawing in map(_with_head, subjects):
        if x and x + drawing.width > MAX_WIDTH:
            x, y, height = 0.0, y + height + 2 * GAP, 0.0
        parts += drawing.at(x, y)
        width, height = max(width, x + drawing.width), max(height, drawing.height)
        x += drawing.width + 3 * GAP
    description = " ".join(f"{_head(s)}: {_Words(s).body(_body_of(s))}." for s in subjects)
    return write_drawing((width, y + height), parts, title, description)


def _head(subject: Subject) -> str:
    if subject.block is None:
        return subject.spec.name
    block = subject.spec.blocks[subject.block]
    args = [name for name, argument in block.args.items() if name not in subject.values]
    return f"{subject.block}({', '.join(args)})" if args else subject.block


def _body_of(subject: Subject) -> tuple[Any, ...]:
    return subject.spec.network if subject.block is None else subject.spec.blocks[subject.block].body


def _with_head(subject: Subject) -> BodyDrawing:
    drawing = _Drawing(subject)
    body = _body_of(subject)
    inner, at_top = drawing.whole(body)
    top = 34 + GAP
    ends = [Polyline(((inner.entry, 34), (inner.entry, top)), inner.pointed)]
    if at_top:
        ends.append(Polyline(((inner.leave, top), (inner.leave, 34))))
        bottom = 0.0
    else:
        ends.append(Polyline(((inner.leave, top + inner.height), (inner.leave, top + inner.height + GAP))))
        bottom = GAP
    head = _head(subject)
    under = f"of {subject.spec.name}" if subject.block else ""
    width = max(inner.width, text_width(head), text_width(under))
    dx = (width - inner.width) / 2
    notes = [Caption(width / 2, 6, (head,), "middle", "title")]
    notes += [Caption(width / 2, 22, (under,), "middle")] if under else []
    moved = inset(BodyDrawing(inner.width, 0, parts=(*inner.at(0, top), *ends)), dx).parts
    return BodyDrawing(width, top + inner.height + bottom, parts=(*notes, *moved))


class _Drawing(BoxLabels):
    """Drawings of nodes."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self.open = subject.open
        self.read: set[str] | None = None
        """The labels that the drawing reads, as soon as they have been looked for."""

    def whole(self, body: Sequence[Any]) -> tuple[BodyDrawing, bool]:
        """The drawing of a body, and whether it leaves at its upper edge, as an encoder_decoder with what stands before
        and behind it."""
        self.read = None
        for _ in range(2):  # what only a needless `from` reads is not needed either
            self.read = set(self.labels_read(body))
        nodes = self.decided(body)
        places = [i for i, node in enumerate(nodes) if isinstance(node, EncoderDecoder)]
        if len(places) != 1:
            return self.body(body), False
        before, node, after = nodes[: places[0]], nodes[places[0]], nodes[places[0] + 1 :]
        return self.encoder_decoder(node, before, after), True

    def body(self, body: Sequence[Any]) -> BodyDrawing:
        return stack(self.node(node) for node in self.decided(body))

    def labels_read(self, body: Sequence[Any]) -> Iterator[str]:
        """The labels of every `from` in a body."""
        for node in self.decided(body):
            if isinstance(node, From):
                yield node.label.text
            for name in ("body", "shortcut", "project", "then", "else_", "encoder", "skip", "up", "decoder", "bottom"):
                yield from self.labels_read(getattr(node, name, None) or ())
            for branch in getattr(node, "branches", None) or ():
                yield from self.labels_read(branch)

    def decided(self, body: Sequence[Any]) -> list[Any]:
        """The nodes of a body, with the taken branch in the place of a `when` that is known, and without a `tap` that
        nothing reads, or a `from` that reads what is there."""
        nodes: list[Any] = []
        here: set[str] = set()  # the labels of the value that is there
        for node in self.taken(body):
            if isinstance(node, From) and node.label.text in here:
                continue
            here = {*here, node.label.text} if isinstance(node, Tap) else set()
            if not isinstance(node, Tap) or self.is_read(node.label.text):
                nodes.append(node)
        return nodes

    def taken(self, body: Sequence[Any]) -> Iterator[Any]:
        for node in body:
            test = self.scope.of(node.test) if isinstance(node, When) else None
            if test is None:
                yield node
            else:
                yield from self.taken(node.then if test else node.else_)

    def is_read(self, label: str) -> bool:
        return self.read is None or label in self.read or any("{" in text for text in (label, *self.read))

    def node(self, node: Any) -> BodyDrawing:
        if isinstance(node, LayerNode):
            return box(wrap(self.layer(node), at=", "), KINDS[node.word])
        if isinstance(node, CallNode):
            return self.called(node)
        if isinstance(node, Residual):
            return self.residual(node)
        if isinstance(node, Dense):
            with_input = beside(self.inside(node, node.body), BodyDrawing(), "concat")
            return self.repeated(node, with_input)
        if isinstance(node, Repeat):
            return self.repeated(node, self.inside(node, node.body))
        if isinstance(node, Branching):
            return self.branching(node)
        if isinstance(node, EncoderDecoder):
            return around(self.encoder_decoder(node, (), ()))
        if isinstance(node, When):
            return self.choice(node)
        if isinstance(node, Tap | From | Output):
            drawing = box([f"{node.word} {node.label.text}"], "label")
            return replace(drawing, fed=not isinstance(node, From))
        if node.word == "norm":
            return box([self.norm(node)], "norm") if self.normalizes(node) else BodyDrawing()
        if node.word == "activation":
            acts = self.settings(node).get("kind") != "none"
            return box([self.activation(node)], "activation") if acts else BodyDrawing()
        return box([node.word], "call")

    def called(self, node: CallNode) -> BodyDrawing:
        handed = self.scope.values.get(node.block)
        if isinstance(handed, tuple):
            return self.body(handed)
        if node.block not in self.open:
            return box(self.call(node), "call" if node.block in self.spec.blocks else "label")
        block = self.spec.blocks[node.block]
        outer = self.scope
        given = {name: self.scope.of(value) for name, value in node.arguments.items()}
        self.scope = outer.within({}, tuple(block.args))
        self.scope.values |= {name: value for name, value in given.items() if value is not None}
        self.scope = self.scope.within(block.let, ())
        drawing = self.body(block.body)
        self.scope = outer
        return drawing

    def inside(self, node: Turns, body: Sequence[Any]) -> BodyDrawing:
        """A body of a loop, whose names have no one value."""
        outer, self.scope = self.scope, self.scope.within({}, (node.as_, *(node.each or ())))
        drawing = self.body(body)
        self.scope = outer
        return drawing

    def repeated(self, node: Turns, drawing: BodyDrawing) -> BodyDrawing:
        if self.scope.of(node.n) == 0 and node.n is not None:
            return BodyDrawing()
        return bracket(drawing, self.turns(node)) if not drawing.empty else drawing

    def residual(self, node: Residual) -> BodyDrawing:
        fields = {name: getattr(node, name) for name in node.settings} | self.settings(node)
        before, after = factors(fields)
        body = stack([self.body(node.body), *(box(wrap(text), "chance") for text in before)])
        side = self.body(node.shortcut or ())
        project = self.body(node.project or ())
        if not project.empty:
            side = bracket(project, ["where the", "shape changes"])
        return stack([beside(body, side, "add"), *(box([text], "chance") for text in after)])

    def branching(self, node: Branching) -> BodyDrawing:
        if node.branches is None:
            drawing = self.inside(node, node.body or ())
            count = [f"{bound(node.n)} ways"] if node.n is not None else self.turns(node)
            return bracket(many(drawing, node.word), count)
        ways = [self.body(branch) for branch in node.branches]
        if len(ways) == 1:
            return ways[0]
        if len(ways) == 2 and sum(way.empty for way in ways) == 1:
            other = next(way for way in ways if not way.empty)
            return (
                beside(BodyDrawing(), other, "mul") if node.word == "mul" else beside(other, BodyDrawing(), node.word)
            )
        return fan(ways, node.word)

    def choice(self, node: When) -> BodyDrawing:
        """A choice that depends on where the body stands: its ways, each with its condition."""
        then, otherwise = self.body(node.then), self.body(node.else_)
        test = wrap(f"if {spelled(node.test)}", 28)
        if otherwise.empty:
            return bracket(then, test) if not then.empty else BodyDrawing()
        ways = [bracket(drawing, text) for drawing, text in ((then, test), (otherwise, ["else"])) if not drawing.empty]
        return fan(ways, None, kind="choice") if len(ways) > 1 else bracket(otherwise, ["unless", *test[0:]])

    def encoder_decoder(self, node: EncoderDecoder, before: Sequence[Any], after: Sequence[Any]) -> BodyDrawing:
        fields = {"merge": node.merge} | self.settings(node)
        outer = self.scope
        levels = []
        for name, values in self.levels(node):
            self.scope = outer.within({}, (node.as_, *(node.each or ())))
            self.scope.values |= values
            encoder, down, up, decoder = map(self.body, (node.encoder, node.down, node.up, node.decoder))
            skip = [self.node(part) for part in self.decided(node.skip)]
            levels.append(Level(name, encoder, down, up, decoder, skip, fields["merge"]))
        self.scope = outer
        bottom = [self.node(part) for part in self.decided(node.bottom)]
        if any(len(drawing.parts) > 1 for drawing in bottom):
            bottom = [stack(bottom)]
        return valley(self.body(before), levels, bottom, self.body(after))

    def levels(self, node: EncoderDecoder) -> list[tuple[str, dict[str, Any]]]:
        """The name of each level, and the values of the loop's names there."""
        lists = {name: self.scope.of(values) for name, values in (node.each or {}).items()}
        count = self.scope.of(node.n) if node.n is not None else len(next(iter(lists.values())) or ())
        if not isinstance(count, int) or not count or None in lists.values():
            return [(self.turns(node)[0], {})]
        rows = []
        for i in range(count):
            values = {name: values[i] for name, values in lists.items()}
            rows.append(
                (", ".join(f"{name} = {spelled(value)}" for name, value in values.items()), {node.as_: i, **values})
            )
        return rows


def factors(fields: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Write what a residual does to its body's result, and to the sum."""
    before = [f"× {spelled(fields['scale'])}"] if fields.get("scale") is not None else []
    scaling = {"skip_init": "× learned, from 0", "stable": "× 1/√residuals", "fixup": "fixup: × learned, + learned"}
    before += [scaling[fields["scaling"]]] if fields.get("scaling") in scaling else []
    if fields.get("survival") is not None:
        name = "shake_drop" if fields.get("drop") == "shake" else "stochastic_depth"
        decay = ", linear decay" if fields.get("decay") == "linear" else ""
        before.append(f"{name} {spelled(fields['survival'])}{decay}")
    return before, ["× 1/√2"] if fields.get("scaling") == "sqrt_half" else []


class _Words(_Drawing):
    """The description: the same in words."""

    def body(self, body: Sequence[Any]) -> Any:
        return ", ".join(filter(None, (self.word(node) for node in self.decided(body)))) or "nothing"

    def word(self, node: Any) -> str:
        if isinstance(node, LayerNode):
            return self.layer(node)
        if isinstance(node, CallNode):
            return node.block
        if isinstance(node, Residual):
            way = self.body(node.project or node.shortcut or ())
            side = f" beside ({way})" if way != "nothing" else ""
            return f"residual ({self.body(node.body)}){side}"
        if isinstance(node, Dense | Repeat):
            return f"{node.word} {' '.join(self.turns(node))} ({self.body(node.body)})"
        if isinstance(node, Branching):
            ways = node.branches if node.branches is not None else [node.body]
            return f"{node.word} of ({'; '.join(self.body(way or ()) for way in ways)})"
        if isinstance(node, EncoderDecoder):
            parts = ("encoder", "skip", "down", "bottom", "up", "decoder")
            said = [f"{part} ({self.body(getattr(node, part))})" for part in parts if getattr(node, part)]
            return f"encoder_decoder with {', '.join(said)}"
        if isinstance(node, When):
            return f"if {spelled(node.test)} ({self.body(node.then)}) else ({self.body(node.else_)})"
        if isinstance(node, Tap | From | Output):
            return f"{node.word} {node.label.text}"
        if node.word == "norm":
            return self.norm(node) if self.normalizes(node) else ""
        return str(node.word)
