"""The operations of a network that no analysis knows, as a foreign model may hold, and what they make of its
numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from compiler.analysis.certainty import Mark, at_least, estimate
from compiler.graph import Graph

SUMS = ("parameters", "macs", "operations", "stages", "blocks")
"""The numbers that add up over operations, by the keys of `analyze --json`."""

UNREAD = ("activations", "paths")
"""The numbers that count results and ways, and so only those that could be read."""

OWN = ("parameters", "frozen", "buffers", "macs", "bias_adds", "elementwise")
"""The numbers of one operation, which of an unknown one are not known."""

MEMORY = (
    *("inference_peak_bytes", "inference_weights_bytes", "live_at_peak", "timeline"),
    *("training_saved_bytes", "training_parameters_bytes", "training_gradients_bytes"),
    *("training_optimizer_bytes", "training_buffers_bytes", "training_total_bytes"),
)
"""The parts of the memory that take what their operations take."""


def find_unknown(graph: Graph) -> dict[str, int]:
    """Count the operations of each unknown kind, by their names in the file (`com.foo:Bar`), in order; those that could
    not be read are among them.

    Their parameters and MACs are not counted, and no receptive field is followed through them.
    """
    found = Counter(node.op.unknown for node in graph if node.op.unknown) + Counter(graph.unread)
    return dict(sorted(found.items()))


def tell_unknown(kinds: Mapping[str, int]) -> str:
    """Write the numbers of unknown operations: `2 × LSTM, 1 × com.foo:Bar`."""
    return ", ".join(f"{count:,} × {kind}" for kind, count in kinds.items())


def mark_unknown(graph: Graph) -> dict[str, Mark]:
    """Mark the numbers of an analysis that are not exact where there are such operations, by their keys. Sums are the
    least there is; a quotient of sums may be off either way, and so may a receptive field: how far they see is not
    known. Of those that could not be read the results and the ways through them are not counted either."""
    kinds = find_unknown(graph)
    if not kinds:
        return {}
    why = f"unknown operations are not counted: {tell_unknown(kinds)}"
    sums = (
        *SUMS,
        *(UNREAD if graph.unread else ()),
        *(f"nodes.{key}" for key in OWN),
        *(f"memory.{key}" for key in MEMORY),
    )
    unsure = ("receptive_field", *(f"{part}.intensity" for part in ("operations", "stages", "blocks")))
    return dict.fromkeys((*sums, "lint"), at_least(why)) | dict.fromkeys(unsure, estimate(why))
