"""Shared weights: nodes with one label have one set of weights, which is named after it."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.errors import Diagnostic
from archspec.spec.reserved import MODULE_NAMES
from archspec.wording import write_shape
from compiler.elaborate.evaluator import Evaluator, tell
from compiler.elaborate.reporter import Reporter
from compiler.elaborate.scope import Step
from compiler.graph import Graph, Node


class LabelReader:
    """A reader of the labels of shared weights; one is known in the block that it is written in."""

    def __init__(self, evaluator: Evaluator, reporter: Reporter) -> None:
        self.evaluator = evaluator
        self.reporter = reporter

    def find_home(self, step: Step) -> str:
        """Find the path under which the weights of a step are named, where it shares them: by its own label, or by that
        of a node around it."""
        written = step.node.weights_label
        if written is None:
            return f"{step.scope.home}.{step.name}"
        label = self.evaluator.fill_label(step, written, "share")
        if label in MODULE_NAMES or not label[0].isalpha():
            message = f"'{label}' is no label for weights: it should begin with a letter and be no word of torch"
            self.reporter.fail("bad-name", message, step.place("share"), step.calls)
        return f"{step.scope.labels}.{label}" if step.scope.labels else label


def find_unequal(graph: Graph) -> Iterator[Diagnostic]:
    """Find the nodes that share the weights of another one and are not the same operation with the same weights."""
    for home, ids in graph.users.items():
        first = graph[ids[0]]
        for node in map(graph.__getitem__, ids[1:]):
            why = _compare(graph, first, node)
            if why:
                there = f"the {first.op.kind} at {first.source.place}"
                if first.source.place == node.source.place and first.source.calls:
                    there += f" in {first.source.calls[0].text}, called at {first.source.calls[0].place}"
                message = f"this {node.op.kind} shares the weights '{home}' with {there}; {why}"
                yield Diagnostic("unequal-share", message, node.source.place, node.source.calls)


def _compare(graph: Graph, first: Node, node: Node) -> str:
    """Say in what two nodes differ that share their weights, or nothing."""
    if node.op.kind != first.op.kind:
        return "one word alone can share them"
    here, there = (
        {name: weight.shape for name, weight in one.op.weights(*graph.operands(one)).items()} for one in (node, first)
    )
    for name in [name for name in (*here, *there) if here.get(name) != there.get(name)]:
        shapes = (write_shape(shapes[name]) if name in shapes else "none" for shapes in (here, there))
        return "its {} is {} here and {} there".format(name, *shapes)
    for field, value in node.op:
        if value != getattr(first.op, field):
            return f"`{field}` is {tell(value)} here and {tell(getattr(first.op, field))} there"
    ranks = [graph.operands(one)[0].rank for one in (node, first)]
    return "its input has {} spatial axes here and {} there".format(*ranks) if len(set(ranks)) > 1 else ""
