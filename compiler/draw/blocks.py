"""The boxes of a picture: a graph as blocks in blocks, with equal neighbours folded.

The blocks are the spec's scopes, with four differences that make them readable. A scope that value leaves and enters
again (a level of a U-Net, whose encoder and decoder stand far apart) is taken apart, so that among the blocks of a
block the way leads onward only. A scope that only says which part of a structure something is (`body`, `project`) is
left out, and one that is the only one in its parent goes up in it. A normalization or an activation shares the box of
the operation that it belongs to. Neighbours whose operations and wiring are equal are one box, which says how often;
their extents, and numbers such as a survival rate, may differ.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from compiler.draw.labels import label_op
from compiler.draw.theme import kind_of
from compiler.graph import Graph, Node
from compiler.scope_tree import ScopeItem, ScopeTree, name_in_scope, nodes_of, read_scopes
from compiler.tree import fold

PARTS = re.compile(r"body|project|shortcut|skip|down|up|merge|bottom|branch\d+|when_\d+")
"""The names of scopes that stand for a part of a structure, and for nothing of the user's."""

TURN = re.compile(r"(\w*[^\W\d_])?\d+(\.|$)")
"""The names of scopes of a loop's turns: `i0`, `stage2`, elsewhere `0`; a block has a line before its number."""

MAX_LIFTED = 16
"""The largest number of nodes of a scope that goes up in its parent."""

MAX_CYCLE = 64
"""The largest number of scopes on one cycle of which it is asked which make it; of more, all are taken apart."""


@dataclass(frozen=True)
class PictureBlock:
    """A box: a scope, or without `children` an operation with what shares its box. `id` is its scope, with a point at
    the end, or its first node.

    `times` counts the equal neighbours that it stands for, and `turns` has the ids of its nodes in each of them, in the
    graph's order: more than `times`, where a block around it stands for several too. `children` are drawn once.
    """

    id: str
    title: str
    turns: tuple[tuple[str, ...], ...]
    kind: str = "call"
    """The kind by which it is filled (see `theme.COLOURS`), or `merge`."""
    lines: tuple[str, ...] = ()
    """The words of its operations."""
    children: tuple[PictureBlock, ...] = ()
    times: int = 1
    output: str | None = None
    """The name of the network's output that it stands for; it has no nodes then."""

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """The ids of the nodes of all turns."""
        return tuple(id for turn in self.turns for id in turn)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, PictureBlock]]:
        """Give every block below, each before its own, with its depth from zero."""
        for child in self.children:
            yield depth, child
            yield from child.walk(depth + 1)


def fold_blocks(graph: Graph) -> PictureBlock:
    """Fold the whole network into one block, its outputs at the end."""
    folder = _Folder(graph)
    whole = fold(_drop_prefix(graph, folder.arrange(read_scopes(graph.nodes, graph.name))), folder)
    drawn = folder.finish(whole, [dict(zip(whole.turns[0], whole.turns[0], strict=True))])
    outputs = tuple(
        PictureBlock(f"output:{name}", name, ((),), "label", (name,), output=name) for name in graph.outputs
    )
    return replace(drawn, id=".", title=graph.name, children=drawn.children + outputs)


def _drop_prefix(graph: Graph, whole: ScopeTree) -> ScopeTree:
    """Drop a scope around everything but the inputs, which tells nothing apart."""
    scopes = [item for item in whole.items if isinstance(item, ScopeTree)]
    others = [item for item in whole.items if isinstance(item, str)]
    if len(scopes) != 1 or any(graph[id].inputs for id in others):
        return whole
    return ScopeTree(whole.path, whole.title, [*others, *scopes[0].items])


class _Folder:
    """The rules of pictures, and the scopes that are worth a box; what is asked again and again is kept."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.order = {id: number for number, id in enumerate(graph.nodes)}
        self.shown = {*graph.outputs.values()}
        self.signatures: dict[tuple[tuple[str, ...], int], Hashable] = {}
        self.operations: dict[str, Hashable] = {}

    # -- scopes ----------------------------------------------------------------------------------------------------

    def arrange(self, scope: ScopeTree) -> ScopeTree:
        """Arrange a scope of those scopes that are worth a box, in the order in which the way leads through them."""
        items: list[ScopeItem] = []
        for item in scope.items:
            inner = item if isinstance(item, str) else self.arrange(item)
            is_part = isinstance(inner, ScopeTree) and PARTS.fullmatch(inner.title)
            items += inner.items if isinstance(inner, ScopeTree) and is_part else [inner]
        items = [item if isinstance(item, str) else self._lift(item) for item in self._take_apart(items)]
        return ScopeTree(scope.path, scope.title, items)

    def _lift(self, scope: ScopeTree) -> ScopeTree:
        """Put what is in its only scope, where there is little else, in the place of that."""
        scopes = [item for item in scope.items if isinstance(item, ScopeTree)]
        alone = len(scope.items) == 1
        if len(scopes) != 1 or not (alone or len(scopes[0].nodes) <= MAX_LIFTED):
            return scope
        title = f"{scope.title}.{scopes[0].title}" if alone else scope.title
        place = scope.items.index(scopes[0])
        return ScopeTree(scope.path, title, [*scope.items[:place], *scopes[0].items, *scope.items[place + 1 :]])

    def _take_apart(self, items: list[ScopeItem]) -> list[ScopeItem]:
        """Take apart the scopes that are on a cycle of their kind; the rest sorted by their first node."""
        while cyclic := self._find_cyclic(items):
            items = [
                part
                for place, item in enumerate(items)
                for part in (self._name_parts(item) if isinstance(item, ScopeTree) and place in cyclic else [item])
            ]
        return sorted(items, key=lambda item: self.order[nodes_of(item)[0]])

    def _name_parts(self, scope: ScopeTree) -> list[ScopeItem]:
        for item in scope.items:
            if isinstance(item, ScopeTree):
                item.title = f"{scope.title}.{item.title}"
        return scope.items

    def _find_cyclic(self, items: list[ScopeItem]) -> set[int]:
        """The places of items on a cycle that value leaves and enters again, or where there is none of
        these, of all."""
        if all(isinstance(item, str) for item in items):
            return set()
        import networkx as nx

        owner = {id: place for place, item in enumerate(items) for id in nodes_of(item)}
        quotient: nx.DiGraph[int] = nx.DiGraph()
        quotient.add_edges_from(
            (owner[operand], place)
            for id, place in owner.items()
            for operand in self.graph[id].inputs
            if owner.get(operand, place) != place
        )
        cycles = [found for found in nx.strongly_connected_components(quotient) if len(found) > 1]
        cyclic = {place for found in cycles for place in found if isinstance(items[place], ScopeTree)}
        if len(cyclic) > MAX_CYCLE:
            return cyclic
        inside = sorted(owner, key=self.order.__getitem__)
        return {place for place in cyclic if self._is_entered_again(items[place], inside)} or cyclic

    def _is_entered_again(self, item: ScopeItem, inside: list[str]) -> bool:
        """Tell whether a way leads out of an item, through others of these nodes, and back into it."""
        own: set[str] = set(nodes_of(item))
        after: set[str] = set()
        for id in inside:
            operands = self.graph[id].inputs
            if id in own:
                if not after.isdisjoint(operands):
                    return True
            elif not (own.isdisjoint(operands) and after.isdisjoint(operands)):
                after.add(id)
        return False

    # -- boxes -----------------------------------------------------------------------------------------------------

    def take(self, id: str) -> PictureBlock:
        """A node's box, which has no words on it yet and knows only its own turn."""
        return PictureBlock(id, name_in_scope(id), ((id,),))

    def group(self, branches: Iterable[PictureBlock]) -> list[PictureBlock]:
        boxes: list[PictureBlock] = []
        for box in branches:
            if boxes and self._belongs(boxes[-1], box):
                boxes[-1] = replace(boxes[-1], turns=(boxes[-1].turns[0] + box.turns[0],))
            else:
                boxes.append(box)
        return boxes

    def join(self, run: Sequence[PictureBlock]) -> PictureBlock:
        first, turns = run[0], tuple(turn for box in run for turn in box.turns)
        title = first.title if first.times > 1 else _drop_turn(first.title)
        return replace(first, title=title, turns=turns, times=len(turns))

    def close(self, scope: ScopeTree, branches: Sequence[PictureBlock]) -> PictureBlock:
        if len(branches) > 1 or not scope.path:
            return PictureBlock(f"{scope.path}.", scope.title, (scope.nodes,), children=tuple(branches))
        (only,) = branches
        return replace(only, title=f"{scope.title}.{only.title}".rstrip(".")) if only.children else only

    def _belongs(self, chain: PictureBlock, box: PictureBlock) -> bool:
        """Tell whether a node shares the box of those before it: it alone reads the last of them, and is its
        normalization or activation; or they are normalization and activation, and it is what they prepare for."""
        if chain.children or box.children or chain.times > 1 or len(box.nodes) > 1:
            return False
        last, node = chain.nodes[-1], self.graph[box.id]
        if node.inputs != (last,) or len(self.graph.readers[last]) > 1 or last in self.shown:
            return False
        kinds, kind, soft = [kind_of(self.graph[id].op) for id in chain.nodes], kind_of(node.op), {"norm", "activation"}
        if kind in soft:
            return kinds[0] == "kernel" or set(kinds) <= soft
        return kind == "kernel" and set(kinds) <= soft

    def finish(self, block: PictureBlock, others: list[dict[str, str]]) -> PictureBlock:
        """The block with its words, and with its nodes in all turns of the blocks around it: `others` leads from the
        first turn to each of them."""
        turns = tuple(tuple(other[id] for id in turn) for other in others for turn in block.turns)
        if not block.children:
            return self._label(replace(block, turns=turns))
        inner = [dict(zip(block.turns[0], turn, strict=True)) for turn in turns] if len(turns) > 1 else others
        children = tuple(self.finish(child, inner) for child in block.children)
        title = block.title or f"{block.id.rstrip('.').rpartition('.')[2]} …"
        return replace(block, title=title, turns=turns, children=children)

    def _label(self, box: PictureBlock) -> PictureBlock:
        pairs = [(self.graph[one], self.graph[other]) for one, other in zip(box.turns[0], box.turns[-1], strict=True)]
        kinds = [kind_of(node.op) for node, _ in pairs]
        if kinds[0] == "label":
            return replace(box, kind="label", title=box.id, lines=(box.id,))
        lines = tuple(
            f"{label_op(node.op, other.op, node.shape.rank)}{self._tell_sharing(node, other)}" for node, other in pairs
        )
        lines = (f"{self._name_role(box)}{lines[0]}", *lines[1:])
        return replace(box, title=lines[0], kind="kernel" if "kernel" in kinds else kinds[0], lines=lines)

    def _name_role(self, box: PictureBlock) -> str:
        """Name the part that a result has in the operation that alone reads it, before the first line."""
        readers = set(self.graph.readers[box.nodes[-1]])
        reader = self.graph[readers.pop()] if len(readers) == 1 else None
        roles = zip(reader.op.roles, reader.inputs, strict=False) if reader else ()
        named = [role for role, operand in roles if operand == box.nodes[-1]]
        return f"{', '.join(named)}: " if named and reader and len(named) < len(reader.op.roles) else ""

    def _tell_sharing(self, node: Node, other: Node) -> str:
        """Say whose weights a node has, where it shares them; of several nodes the first and the last are given."""
        if not self._shares(node):
            return ""
        return f", weights of {node.home}" if node.home == other.home else ", shared weights"

    def _shares(self, node: Node) -> bool:
        return len(self.graph.users[node.home]) > 1

    # -- equal neighbours ------------------------------------------------------------------------------------------

    def continues(self, run: Sequence[PictureBlock], branch: PictureBlock) -> bool:
        """Tell whether a box is one more turn of those before it. An input has a name of its own, and a circle no room
        to tell how often."""
        if not branch.children and kind_of(self.graph[branch.id].op) in ("label", "merge"):
            return False
        if branch.times > 1 or self._sign(run[0]) != self._sign(branch):
            return False
        *_, last = turns = [turn for box in run[-2:] for turn in box.turns][-2:]
        link = self._link(last, branch.turns[0])
        if link is None or not self.shown.isdisjoint(last) or not self._leads_on(last, branch.turns[0], link):
            return False
        return len(turns) == 1 or link == self._link(*turns)

    def _sign(self, box: PictureBlock) -> Hashable:
        """List what has to be equal: operations, how they are wired, how they are put together."""
        key = box.turns[0], len(box.children)
        if key not in self.signatures:
            place = {id: number for number, id in enumerate(box.turns[0])}
            nodes = [self.graph[id] for id in box.turns[0]]
            wiring = tuple((self._sign_op(node), *(place.get(id) for id in node.inputs)) for node in nodes)
            self.signatures[key] = wiring, _parts(box)
        return self.signatures[key]

    def _sign_op(self, node: Node) -> Hashable:
        """The operation but for its real numbers, which may change from turn to turn."""
        if node.id not in self.operations:
            fields = node.op.model_dump()
            kept = tuple((name, str(value)) for name, value in fields.items() if not isinstance(value, float))
            self.operations[node.id] = node.op.kind, kept, self._shares(node)
        return self.operations[node.id]

    def _link(self, before: tuple[str, ...], turn: tuple[str, ...]) -> tuple[int | str, ...] | None:
        """Find what each operand from outside is: a place in the turn before, or a node that both read; None where one
        is neither."""
        place, own = {id: number for number, id in enumerate(before)}, set(turn)
        links: list[int | str] = []
        for one, other in zip(before, turn, strict=True):
            for first, operand in zip(self.graph[one].inputs, self.graph[other].inputs, strict=True):
                if operand in own:
                    continue
                if operand not in place and operand != first:
                    return None
                links.append(place.get(operand, operand))
        return tuple(links)

    def _leads_on(self, before: tuple[str, ...], turn: tuple[str, ...], link: tuple[int | str, ...]) -> bool:
        """Tell whether a turn's results go to the next one alone; or where the next takes none, to the same readers."""
        readers = [{reader for id in one for reader in self.graph.readers[id]} - {*one} for one in (before, turn)]
        chained = any(isinstance(operand, int) for operand in link)
        if chained:
            return readers[0] <= {*turn}
        return readers[0] == readers[1] and not any(self.graph[reader].op.roles for reader in readers[0])


def _parts(box: PictureBlock) -> Hashable:
    return tuple((child.times, len(child.turns[0]), _parts(child)) for child in box.children)


def _drop_turn(title: str) -> str:
    """Name a folded block: not after its first turn."""
    turn = TURN.match(title)
    return title[turn.end() :] if turn else title
