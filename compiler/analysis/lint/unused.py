"""Rules about values that a network computes, or names that a spec declares, and nobody uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from archspec.errors import Place
from archspec.ops import Input
from archspec.spec.blocks import Block
from archspec.spec.body import CallNode
from archspec.spec.expressions import Template
from archspec.spec.marked import Table, place_in
from archspec.spec.nodes.flow import Turns
from archspec.spec.nodes.taps import Tap
from archspec.spec.references import list_references
from archspec.spec.spec import Spec
from archspec.spec.walking import walk_nodes
from compiler.analysis.lint.context import LintContext
from compiler.analysis.lint.finding import Hit, LintRule, at_each_place
from compiler.analysis.lint.names import find_unread, free_names, list_bodies, names_in_defaults
from compiler.graph import Graph, Node

BoundName: TypeAlias = tuple[str, str, frozenset[str]]
"""The definition of a name in a block: the key under which it stands, the name, and the names that it reads."""


def find_dead_nodes(context: LintContext) -> Iterable[Hit]:
    graph = context.graph
    ends = [node for node in graph if node.id not in context.live and not graph.readers[node.id]]

    def tell(group: Sequence[Node]) -> str:
        if isinstance(group[0].op, Input):
            return f"nothing reads the input '{group[0].id}'"
        dead = _lead_to(graph, group, context.live)
        parameters = context.count_parameters(dead)
        held = f", with {parameters:,} parameters" if parameters else ""
        chain = f"; it ends {len(dead)} operations that lead nowhere else{held}" if len(dead) > 1 else held
        return f"no output depends on this {group[0].op.kind}{chain}"

    return at_each_place(ends, tell)


def _lead_to(graph: Graph, ends: Sequence[Node], live: frozenset[str]) -> list[Node]:
    """List the nodes before these that no output depends on either, themselves included."""
    pending, found = [node.id for node in ends], {node.id: node for node in ends}
    while pending:
        for operand in graph[pending.pop()].inputs:
            if operand not in live and operand not in found:
                found[operand] = graph[operand]
                pending.append(operand)
    return [*found.values()]


def find_unused_params(context: LintContext) -> Iterator[Hit]:
    for spec in context.specs:
        for name in spec.params.keys() - _names_used(spec, context.blocks):
            yield Hit(f"nothing uses the param '{name}'", _key(spec.written, "params", name))


def _names_used(spec: Spec, blocks: Mapping[str, Block]) -> frozenset[str]:
    """The names of the whole spec that something in it uses, other names among them."""
    defined = [item.value for item in (*spec.definitions.params.values(), *spec.definitions.let.values())]
    used = free_names([spec.inputs, spec.network, defined]) | names_in_defaults(spec.defaults)
    return used.union(*(_names_from_outside(block) for block in blocks.values()))


def find_unused_blocks(context: LintContext) -> Iterator[Hit]:
    for spec in context.specs:
        own = spec.written.get("blocks") or {}
        for name in own.keys() - context.blocks.keys():
            yield Hit(f"the network does not call the block '{name}'", _key(spec.written, "blocks", name))


def find_unused_names(context: LintContext) -> Iterator[Hit]:
    for spec in context.specs:
        for name in spec.let.keys() - _names_used(spec, context.blocks):
            yield Hit(f"nothing uses the value '{name}'", _key(spec.written, "let", name))
        general = names_in_defaults(spec.defaults)
        for name, block in context.blocks.items():
            yield from _unused_in_block(name, block, general)
        for body in context.bodies:
            yield from _unused_columns(body, general)


def _list_steps(block: Block) -> list[BoundName]:
    """List what gives a block's names their values, in order; a later one takes the place of an earlier one of its
    name."""
    arguments = [("args", name, free_names(argument.default)) for name, argument in block.args.items()]
    return arguments + [("let", name, free_names(expression)) for name, expression in block.let.items()]


def _names_in(block: Block) -> frozenset[str]:
    """List what the body reads, with the block's defaults."""
    values = {label.text for label in list_references(block.body)}
    own = free_names([block.body, block.params, tuple(block.gives.values())])
    return own | names_in_defaults(block.defaults) | values


def _names_from_outside(block: Block) -> frozenset[str]:
    """The names that a block takes from the spec's params."""
    own: set[str] = set()
    outside: set[str] = set()
    for _, name, read in _list_steps(block):
        outside |= read - own
        own.add(name)
    return frozenset(outside | (_names_in(block) - own))


def _unused_in_block(name: str, block: Block, general: frozenset[str]) -> Iterator[Hit]:
    steps = _list_steps(block)
    inside = general | _names_in(block)
    for i, (key, own, _) in enumerate(steps):
        if not _is_read(own, steps[i + 1 :], inside):
            kind = "argument" if key == "args" else "value"
            yield Hit(f"the block '{name}' does not use its {kind} '{own}'", _key(block.written, key, own))


def _is_read(own: str, later: Iterable[BoundName], inside: frozenset[str]) -> bool:
    """Tell whether a value is read by one of the next, up to the one that takes its name, or by the body behind all."""
    for _, name, read in later:
        if own in read:
            return True
        if name == own:
            return False
    return own in inside


def _unused_columns(body: Any, general: frozenset[str]) -> Iterator[Hit]:
    """Find lists of loops that nothing in the loop reads. Where none is read, one of them may count the turns."""
    for node in walk_nodes(body):
        columns = node.each or {} if isinstance(node, Turns) else {}
        inside = free_names([getattr(node, name) for name in type(node).model_fields if name != "each"])
        unread = [name for name in columns if name not in general | inside]
        for name in unread if len(unread) < len(columns) else unread[1:]:
            yield Hit(f"nothing in the loop reads '{name}'", node.place_of("each", name, key=True))


def find_unused_taps(context: LintContext) -> Iterator[Hit]:
    given = [() for _ in context.specs] + [tuple(block.gives.values()) for block in context.blocks.values()]
    for body, gives in zip(context.bodies, given, strict=True):
        taps = [node for node in walk_nodes(body) if isinstance(node, Tap)]
        unread = set(find_unread((tap.label for tap in taps), [*list_references(body), *gives]))
        for tap in taps:
            if tap.label in unread:
                yield Hit(f"nothing reads the tap '{tap.label.text}'", tap.place)
        yield from _overwritten_taps(body)


def _overwritten_taps(body: Any) -> Iterator[Hit]:
    """Find taps that a later one of the same body and name takes the place of before anything reads them."""
    for nodes in list_bodies(body):
        for i, node in enumerate(nodes):
            later = _find_replacement(node.label, nodes[i + 1 :]) if isinstance(node, Tap) else None
            if later is not None:
                message = f"the tap '{later.label.text}' is set again in line {later.place.line} before it is read"
                yield Hit(message, node.place)


def _find_replacement(label: Template, nodes: Iterable[Any]) -> Tap | None:
    for node in nodes:
        if not list(find_unread([label], list_references(node))):
            return None
        if isinstance(node, Tap) and node.label == label:
            return node
    return None


def find_unused_defaults(context: LintContext) -> Iterator[Hit]:
    kinds = {node.op.kind for node in context.graph}
    if any(spec.defaults.get("norm", {}).get("kind") == "weight" for spec in context.specs):
        kinds.add("norm")  # a choice for every layer with a kernel, which needs no node of its own
    kinds |= {node.word for body in context.bodies for node in walk_nodes(body) if not isinstance(node, CallNode)}
    for spec in context.specs:
        written = spec.written.get("defaults")
        for kind in written if isinstance(written, Table) else ():  # those of a variant are its base's and its own
            if kind not in kinds:
                yield Hit(f"the network has no {kind}", _key(spec.written, "defaults", kind))


def _key(written: Table, *path: str) -> Place:
    return place_in(written, path, written.at, key=True)


RULES = (
    LintRule(
        "dead-node",
        "no output depends on a node or an input",
        "remove it, or use its result: by `output`, or by `tap` and `from`",
        "It is computed, and its weights are stored, and neither changes any output: usually a value that a later "
        "`from` passes over, or that was meant to be an `output`. One finding stands for each end of such a chain.",
        check=find_dead_nodes,
    ),
    LintRule(
        "unused-param",
        "nothing depends on a param",
        "remove it, or use it",
        "Setting it changes nothing: the inputs, the defaults, the network and the blocks that it reaches do without "
        "it.",
        check=find_unused_params,
    ),
    LintRule(
        "unused-block",
        "the network does not call a block of the spec",
        "remove it, or move it to a library",
        "Neither the network nor a block that it reaches calls it. Blocks of imported libraries are not reported.",
        check=find_unused_blocks,
    ),
    LintRule(
        "unused-name",
        "nothing reads an argument, a `let` or a list of a loop",
        "remove it, or use it",
        "A name that is given a value and never read is a slip more often than not: the value was meant for some "
        "field. The lists of a loop also say how many turns it has, for which one of them is enough.",
        check=find_unused_names,
    ),
    LintRule(
        "unused-tap",
        "no `from` reads a tap",
        "remove it, or read it with `from`",
        "A tap is known in the block, or the network, that sets it, and no `from` there can mean it.",
        check=find_unused_taps,
    ),
    LintRule(
        "unused-default",
        "the network has no node of a kind that `defaults` sets",
        "remove it",
        "The defaults of a kind that never comes up change nothing. Those of a variant are not looked at.",
        check=find_unused_defaults,
    ),
)
