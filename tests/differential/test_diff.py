"""`diff` against edits: one edit of a random network has to be found and named; none, and other names, told as such."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from archspec.api import elaborate, load
from archspec.ops import OPS, AvgPool, Conv, DeformConv, Input, MaxPool, Op, OpError, Relu, Shape, Sigmoid
from archspec.spec.zoo import zoo_specs
from compiler.analysis.compare.diff import Change, Diff, diff_graphs
from compiler.graph import Graph, Node
from tests.differential.graphs import make_graph
from tests.support.isomorphism import are_isomorphic
from tests.support.lowering import graph_of
from tests.support.op_examples import EXAMPLES

FEW = range(40)
MANY = range(40, 2000)


def walk(changes: tuple[Change, ...]) -> Iterator[Change]:
    for change in changes:
        yield change
        yield from walk(change.children)


def name_nodes(found: Diff) -> set[str]:
    """All nodes that the differences speak of, in either network."""
    layers = [change for change in walk(found.changes) if change.kind != "same" and not change.children]
    names = {id for change in layers for side in (change.a, change.b) if side for id in side.ids}
    names |= {id for item in found.rewired for id in (item.a, item.b)}
    return names | {id for ends in found.outputs.values() for id in ends if id}


def rebuild(graph: Graph, nodes: list[Node]) -> Graph:
    """The graph of these nodes, with the shapes that follow. Raises OpError where one does not fit."""
    edited = replace(graph, nodes={node.id: node for node in nodes})
    shapes = edited.infer(edited.sizes)
    return replace(edited, nodes={id: replace(node, shape=shapes[id]) for id, node in edited.nodes.items()})


def change_values(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value + 2, 2 * value]
    if isinstance(value, tuple) and all(isinstance(entry, int) for entry in value):
        return [tuple(entry + more for entry in value) for more in (1, 2)]
    if isinstance(value, float):
        return [value / 2 if value else 0.25]
    return [0] if value == "same" else []


def list_other_words(op: Op, name: str) -> list[str]:
    """The other values of a field that takes one of several words."""
    schema = type(op).model_json_schema()["properties"].get(name, {})
    options = [schema, *schema.get("anyOf", [])]
    return [word for option in options for word in option.get("enum", []) if word != getattr(op, name)]


def edit_fields(op: Op) -> Iterator[tuple[str, Op]]:
    """The operation with each of its fields changed, as far as that is allowed."""
    for name, value in op:
        for other in [*change_values(value), *list_other_words(op, name)]:
            try:
                edited = type(op).model_validate({**dict(op), name: other})
            except ValidationError:
                continue
            if edited != op and not (name == "padding" and _pad_alike(edited, op)):
                yield name, edited


def _pad_alike(one: Op, other: Op) -> bool:
    """Tell whether two words for a padding mean the same; a value of `same` may be a number."""
    windowed = Conv | DeformConv | MaxPool | AvgPool
    if not isinstance(one, windowed) or not isinstance(other, windowed):
        return False
    if "same_end" in f"{one.padding} {other.padding}":
        return False
    for x in (Shape(1, 9), Shape(1, 9, 9), Shape(1, 9, 9, 9)):
        with suppress(OpError):
            return one.windows(x) == other.windows(x)
    return False


def change_field(graph: Graph, random: Random) -> tuple[Graph, str] | None:
    node = random.choice([node for node in graph if not isinstance(node.op, Input)])
    edits = list(edit_fields(node.op))
    if not edits:
        return None
    _, op = random.choice(edits)
    return rebuild(graph, [replace(one, op=op) if one is node else one for one in graph]), node.id


def change_operation(graph: Graph, random: Random) -> tuple[Graph, str] | None:
    relus = [node for node in graph if isinstance(node.op, Relu)]
    if not relus:
        return None
    node = random.choice(relus)
    return rebuild(graph, [replace(one, op=Sigmoid()) if one is node else one for one in graph]), node.id


def change_operand(graph: Graph, random: Random) -> tuple[Graph, str] | None:
    nodes = list(graph)
    node = random.choice([node for node in nodes if node.inputs])
    before = [one.id for one in nodes[: nodes.index(node)] if one.shape == graph[node.inputs[0]].shape]
    others = [id for id in before if id != node.inputs[0]]
    if not others:
        return None
    edited = replace(node, inputs=(random.choice(others), *node.inputs[1:]))
    return rebuild(graph, [edited if one is node else one for one in nodes]), node.id


def add_operand(graph: Graph, random: Random) -> tuple[Graph, str] | None:
    sums = [node for node in graph if node.op.kind == "add"]
    if not sums:
        return None
    node = random.choice(sums)
    edited = replace(node, inputs=(*node.inputs, node.inputs[0]))
    return rebuild(graph, [edited if one is node else one for one in graph]), node.id


def insert_layer(graph: Graph, random: Random) -> tuple[Graph, str] | None:
    nodes = list(graph)
    node = random.choice([node for node in nodes if node.inputs])
    new = replace(node, id="new", op=Relu(), inputs=node.inputs[:1], shape=graph[node.inputs[0]].shape, body=None)
    edited = replace(node, inputs=("new", *node.inputs[1:]))
    place = nodes.index(node)
    return rebuild(graph, [*nodes[:place], new, edited, *nodes[place + 1 :]]), "new"


def move_output(graph: Graph, random: Random) -> tuple[Graph, str] | None:
    other = random.choice([id for id in graph.nodes if id not in graph.outputs.values()])
    return replace(graph, outputs={"y": other}), other


EDITS: list[Callable[[Graph, Random], tuple[Graph, str] | None]] = [
    *(change_field, change_operation, change_operand, add_operand, insert_layer, move_output),
]


def hold_edit(graph: Graph, seed: int) -> None:
    random = Random(seed)
    edit = EDITS[seed % len(EDITS)]
    try:
        edited = edit(graph, random)
    except OpError:
        return
    if edited is None:
        return
    found = diff_graphs(graph, edited[0])
    assert graph.digest() != edited[0].digest()
    assert not found.equal, (seed, edit.__name__)
    if found.same_structure:  # with other names: an operand of several that are alike may have been taken for another
        assert edit in (change_operand, move_output), (seed, edit.__name__)
        assert are_isomorphic(graph, edited[0])
        return
    assert edited[1] in name_nodes(found), (seed, edit.__name__, edited[1])
    assert not diff_graphs(edited[0], graph).same_structure


def hold_names(graph: Graph, seed: int) -> None:
    """Other names for all nodes, and for some, are other names alone."""
    random = Random(seed)
    for share in (1.0, 0.3):
        names = {id: f"n{number}.other" if random.random() < share else id for number, id in enumerate(graph.nodes)}
        nodes = [replace(node, id=names[node.id], inputs=tuple(names[id] for id in node.inputs)) for node in graph]
        outputs = {f"{name}_too": names[id] for name, id in graph.outputs.items()}
        other = replace(graph, nodes={node.id: node for node in nodes}, outputs=outputs)
        found = diff_graphs(graph, other)
        assert found.same_structure, seed
        assert not found.equal
        assert found.partners == names
        assert found.output_names == {name: f"{name}_too" for name in graph.outputs}
    assert diff_graphs(graph, replace(graph, name="again")).equal


@pytest.mark.parametrize("seed", FEW)
def test_one_edit_is_found_and_named(seed: int) -> None:
    hold_edit(make_graph(Random(seed)), seed)


@pytest.mark.parametrize("seed", FEW[:15])
def test_other_names_are_other_names(seed: int) -> None:
    hold_names(make_graph(Random(seed)), seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(MANY.start, MANY.stop, 100))
def test_many_edits_are_found_and_named(start: int) -> None:
    for seed in range(start, min(start + 100, MANY.stop)):
        graph = make_graph(Random(seed), most=6 + seed % 30)
        hold_edit(graph, seed)
        hold_names(graph, seed)


def hold_edits(graph: Graph) -> None:
    for seed, edit in enumerate(EDITS):
        if edit is not move_output:  # which knows one output alone
            hold_edit(graph, seed)


@pytest.mark.parametrize("name", ["residual_mlp", "se_net", "resnet32"])
def test_edits_of_specs(name: str) -> None:
    hold_edits(elaborate(load(name)))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(zoo_specs())[::8])
def test_edits_of_the_zoo(name: str) -> None:
    hold_edits(elaborate(load(name)))


@pytest.mark.parametrize("kind", sorted(op.kind for op in OPS if not issubclass(op, Input)))
def test_every_field_of_every_operation_is_seen(kind: str) -> None:
    """Each of its fields with another value, in the examples of the matrix of operations."""
    changed = set()
    for example, shapes in EXAMPLES:
        if example.kind != kind:
            continue
        graph = graph_of(example, *shapes)
        node = next(node for node in graph if node.inputs)
        for name, op in edit_fields(example):
            try:
                other = rebuild(graph, [replace(one, op=op) if one is node else one for one in graph])
            except OpError:
                continue
            found = diff_graphs(graph, other)
            fields = [change.fields for change in walk(found.changes) if change.b and node.id in change.b.ids]
            assert fields, (kind, name)
            assert name in fields[0] or "result" in fields[0], (kind, name)  # a block's size is told by the result
            changed.add(name)
    seen = {name for example, _ in EXAMPLES if example.kind == kind for name, _ in example}
    if kind == "attention":  # other windows do not divide the maps of the examples
        seen.discard("window")
    fixed = {"max_unpool": {"stride", "ceil"}, "deform_conv": {"kernel", "stride", "offset_groups"}}
    seen -= fixed.get(kind, set())  # the shapes of the operands leave no other value
    assert seen <= changed, f"no other value was tried of {seen - changed}"
