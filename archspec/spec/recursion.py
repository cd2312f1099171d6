"""Recursion of blocks, which the language does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archspec.errors import Diagnostic
from archspec.spec.blocks import Block
from archspec.spec.body import CallNode
from archspec.spec.walking import list_calls


def find_recursion(blocks: Mapping[str, Block]) -> Diagnostic | None:
    """Find a block that leads to itself, which none may, since blocks always end."""
    calls = {name: [node for node in list_calls(block.body) if node.block in blocks] for name, block in blocks.items()}
    done: set[str] = set()
    for start in blocks:
        trail: dict[str, Iterator[CallNode]] = {start: iter(calls[start])} if start not in done else {}
        while trail:
            name = next(reversed(trail))
            call = next(trail[name], None)
            if call is None:
                done.add(name)
                del trail[name]
            elif call.block in trail:
                names = list(trail)
                cycle = " → ".join([*names[names.index(call.block) :], call.block])
                return Diagnostic("block-cycle", f"a block calls itself: {cycle}", call.place)
            elif call.block not in done:
                trail[call.block] = iter(calls[call.block])
    return None
