"""Block libraries as rows: what their blocks are, what they take, which networks use them, and one use of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from archspec.arguments import checked
from archspec.errors import InputError, suggest
from archspec.spec.libraries import Library, list_arguments, read_library
from archspec.spec.load import load
from archspec.spec.zoo import zoo_libraries, zoo_specs
from compiler.analysis.lint.names import reach_blocks
from compiler.analysis.outline import Branch, fold_tree
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph


@dataclass(frozen=True)
class BlockUse:
    """A call of a block in a network: its arguments, the shapes of the value that comes in and of the one that goes on,
    and its layers."""

    spec: str
    call: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    tree: Branch
    graph: Graph

    def to_dict(self, depth: int | None = None) -> dict[str, Any]:
        shapes = {"input": list(self.input), "output": list(self.output)}
        return {"spec": self.spec, "call": self.call, **shapes, "tree": self.tree.to_dict(depth)}


@checked
def list_blocks(words: Sequence[str] = ()) -> list[dict[str, Any]]:
    """A row for each block of the zoo's libraries: library, name, description, arguments (name, type, default), gives,
    used_by (specs of the zoo), file, line.

    With `words`, only the blocks that have one of them in their name or in that of their library. Raises InputError
    where a word fits none.

    >>> [row["name"] for row in archspec.list_blocks(["double_conv"])]
    ['double_conv']
    """
    rows = [row for path in zoo_libraries().values() for row in describe_library(read_library(path))]
    for word in words:
        if not any(_is_meant(row, word) for row in rows):
            near = suggest(word, [name for row in rows for name in (row["name"], row["library"])])
            raise InputError(
                f"no block and no library in the zoo fits '{word}'{near or '; try `archspec list --blocks`'}"
            )
    return [row for row in rows if not words or any(_is_meant(row, word) for word in words)]


def describe_library(library: Library, block: str | None = None) -> list[dict[str, Any]]:
    """A row for each block of a library, or for one of them. Raises InputError where it has no block of this name."""
    if block is not None and block not in library.blocks:
        near = suggest(block, library.blocks) or f"; it has {', '.join(library.blocks)}"
        raise InputError(f"{library.name} has no block '{block}'{near}")
    return [_describe_block(library, name) for name in library.blocks if block in (None, name)]


def find_use(name: str, specs: Sequence[str]) -> BlockUse | None:
    """Find a call of a block in one of these specs of the zoo, the one with the shortest name first; None where they
    call it for nothing."""
    for spec in sorted(specs, key=lambda each: (len(each), each)):
        graph = elaborate(load(spec))
        for node in graph:
            call = next((call for call in node.source.calls if call.text.startswith(f"{name}(")), None)
            if call is not None:
                nodes = [each for each in graph if each.id.startswith(f"{call.path}.")]
                tree = fold_tree(graph, call.path)
                first = graph[nodes[0].inputs[0]].shape if nodes[0].inputs else nodes[0].shape
                return BlockUse(spec, call.text, tuple(first), tuple(nodes[-1].shape), tree, graph)
    return None


def _describe_block(library: Library, name: str) -> dict[str, Any]:
    block = library.blocks[name]
    return {
        "library": library.name,
        "name": name,
        "description": block.description or "",
        "arguments": list_arguments(block),
        "gives": list(block.gives),
        "used_by": list(_find_users().get((library.places[name].file, name), ())),
        "file": library.places[name].file,
        "line": library.places[name].line,
    }


@cache
def _find_users() -> Mapping[tuple[str, str], list[str]]:
    """Find, for each block by its file and its name, the specs of the zoo whose networks reach it."""
    users: dict[tuple[str, str], list[str]] = {}
    for spec, path in zoo_specs().items():
        whole = load(path)
        for name, block in reach_blocks(whole.network, whole.blocks).items():
            users.setdefault((block.written.at.file, name), []).append(spec)
    return users


def _is_meant(row: Mapping[str, Any], word: str) -> bool:
    return word.lower() in row["name"] or word.lower() in row["library"]
