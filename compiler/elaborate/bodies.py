"""Bodies, unrolled node by node, and the table of what each word does on its turn."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, NoReturn, TypeAlias

from archspec.spec.body import STRUCTURE
from archspec.spec.layers import ErrorNode, SpecNode
from compiler.elaborate.reporter import NODE, SkipNode
from compiler.elaborate.scope import MaybeNode, Scope, Step
from compiler.elaborate.walk import Walk

MAX_NESTING = 100
"""The largest depth of nodes inside nodes, in levels."""
MAX_PATH = 1000
"""The largest length of the id of a node, its path, in characters."""

Word: TypeAlias = Callable[[Walk, Any, Step], MaybeNode]
"""A function that does what a word of the language does on its turn: given the walk, the node in its own type, and the
step, it puts nodes into the graph, and gives the value that goes on."""

_WORDS: dict[type[SpecNode], Word] = {}


def run_body(walk: Walk, body: tuple[SpecNode, ...], value: MaybeNode, scope: Scope) -> MaybeNode:
    """Send a value through a body."""
    ordinals: dict[str, int] = {}
    taken = set() if scope.path else set(walk.spec.inputs)
    is_too_deep = scope.depth > MAX_NESTING or len(scope.path) > MAX_PATH
    for node in body:
        if isinstance(node, ErrorNode):
            walk.incomplete, value = True, None
            continue
        name = node.name
        if name is None:
            ordinals[node.called] = ordinal = ordinals.get(node.called, -1) + 1
            name = f"{node.called}_{ordinal}"
        walk.reporter.spend(NODE, node, scope.calls)
        step = Step(node, value, name, scope.join(name), scope)
        if is_too_deep:
            stop_too_deep(walk, step)
        try:
            if name in taken:
                message = f"another node of this body, or an input, is called '{name}'"
                walk.reporter.fail("duplicate-name", message, step.place("name"), scope.calls)
            taken.add(name)
            if scope.home is not None or node.weights_label is not None:
                step = step._replace(home=walk.labels.find_home(step))
            value = _find_word(type(node))(walk, node, step)
        except SkipNode:
            walk.incomplete, value = True, None
    return value


def stop_too_deep(walk: Walk, step: Step) -> NoReturn:
    """End the walk at a node that stands too deep. Raises SpecError."""
    message = f"nodes nest at most {MAX_NESTING} levels deep, with at most {MAX_PATH:,} characters of names"
    walk.reporter.stop("too-deep", message, step.node.place, step.calls)


@cache
def _find_word(kind: type[SpecNode]) -> Word:
    """Find what nodes of a kind, or of what it derives from, do on their turn. Of a word of structure that stands in
    the file that has the name of its model's file, and is imported now."""
    if kind.word in STRUCTURE:
        import_module(f"compiler.elaborate.words.{STRUCTURE.name_file(kind.word)}")
    return next(_WORDS[base] for base in kind.__mro__ if base in _WORDS)


def elaborates(kind: type[SpecNode]) -> Callable[[Word], Word]:
    """Make a function what nodes of a kind, and of those that derive from it, do on their turn."""

    def keep(function: Word) -> Word:
        _WORDS[kind] = function
        return function

    return keep
