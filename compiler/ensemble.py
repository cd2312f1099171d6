"""Ensembles: several networks of one architecture as one network with the same inputs, whose outputs combine those of
all members.

`mean` is the mean of the members' outputs: for a classifier that of the logits, before the softmax (Prince,
"Understanding Deep Learning", 2023, chapter 9). `vote` gives, for each channel, the share of the members in which
it is the largest: 1 where all members agree, which Falk et al. (2019) ask of every voxel (Prince, figure 11.11c).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias, get_args

from archspec.errors import InputError, suggest
from archspec.ops import Input, Mean, Op, Vote
from compiler.graph import Graph, Node
from compiler.onnx_file.metadata import COMBINE, MEMBERS, OUTPUT, SHARES

How: TypeAlias = Literal["mean", "vote"]
WAYS: dict[str, Op] = {"mean": Mean(), "vote": Vote()}
assert set(WAYS) == set(get_args(How))

MAX_ENSEMBLE_NODES = 500_000
"""The largest number of nodes of all members together; with more, no ensemble is meant."""


def combine(graph: Graph, count: int, how: str) -> Graph:
    """Combine `count` networks into an ensemble; the weights of the first are called `member0.…`, of the second
    `member1.…`.

    Raises InputError for fewer than two members, and where no vote can be taken.
    """
    if how not in WAYS:
        raise InputError(f"members are combined by {' or '.join(WAYS)}, found '{how}'{suggest(how, WAYS)}")
    if count < 2:
        raise InputError(f"an ensemble has at least two members, found {count}")
    if count * len(graph) > MAX_ENSEMBLE_NODES:
        raise InputError(f"{count:,} members of {len(graph):,} nodes are more than {MAX_ENSEMBLE_NODES:,} nodes in all")
    if how == "vote":
        _check_channels(graph)
    nodes = {**graph.inputs}
    for number in range(count):
        nodes.update((node.id, node) for node in _member_nodes(graph, number))
    outputs = {}
    for name, id in graph.outputs.items():
        last = graph[id]
        operands = tuple(_member_id(graph, id, number) for number in range(count))
        shape = WAYS[how].infer(*[last.shape] * count)
        outputs[name] = f"combined.{name}"
        nodes[outputs[name]] = Node(outputs[name], WAYS[how], operands, shape, last.source)
    return replace(graph, nodes=nodes, outputs=outputs)


def member_weights(members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Name the weights of an ensemble, from those of its members in order."""
    return {f"member{number}.{name}": value for number, member in enumerate(members) for name, value in member.items()}


def describe_ensemble(how: str, count: int) -> dict[str, str]:
    """Describe what a model says of itself, beside what its members say."""
    facts = COMBINE.write(how) | MEMBERS.write(count)
    return facts | (OUTPUT.write(SHARES) if how == "vote" else {})


def _member_nodes(graph: Graph, number: int) -> Iterator[Node]:
    """List one member's nodes but the inputs, which all members share. Equal operations stay one object."""
    for node in graph:
        if not isinstance(node.op, Input):
            operands = tuple(_member_id(graph, operand, number) for operand in node.inputs)
            body = f"member{number}.{node.body}" if node.body else None
            shared = None if node.shared is None else f"member{number}.{node.shared}"
            id = _member_id(graph, node.id, number)
            yield replace(node, id=id, inputs=operands, body=body, shared=shared)


def _member_id(graph: Graph, id: str, number: int) -> str:
    return id if id in graph.inputs else f"member{number}.{id}"


def _check_channels(graph: Graph) -> None:
    for name, id in graph.outputs.items():
        if graph[id].shape.channels < 2:
            raise InputError(
                f"a vote is taken among channels, and the output '{name}' of {graph.name} has one; combine by mean"
            )
