"""Which operations of a network no analysis knows: a foreign model may hold any."""

from __future__ import annotations

from collections import Counter

from compiler.graph import Graph


def find_unknown(graph: Graph) -> dict[str, int]:
    """How many operations of each unknown kind there are, by their names in the file (`com.foo:Bar`), in order; those
    that could not be read are among them.

    Their parameters and MACs are not counted, and no receptive field is followed through them.
    """
    found = Counter(node.op.unknown for node in graph if node.op.unknown) + Counter(graph.unread)
    return dict(sorted(found.items()))
