"""The shapes of a proof's outputs, held against those that the graph says."""

from __future__ import annotations

from archspec.errors import ArchspecError
from archspec.ops import Input
from archspec.ops.guard import is_extension
from archspec.wording import list_some
from compiler.graph import Graph
from runtime.session.inputs import list_shapes
from runtime.verification.proof.proof import Proof, ProofCase


def hold_shapes(graph: Graph, proof: Proof) -> None:
    """Hold the shapes that a proof found against the graph's. Torch and the file may agree on others where an
    operation's rule of shapes is wrong. Raises ArchspecError."""
    for case in proof.cases:
        inferred = graph.infer(_find_sizes(graph, case))
        for name, (_, *found) in case.outputs.items():
            expected = inferred[graph.outputs[name]]
            if (*expected,) != (*found,):
                own = [node.id for node in graph if is_extension(type(node.op))]
                doubt = f"; the shape rule of an extension may be wrong: {list_some(own)}" if own else ""
                raise ArchspecError(
                    f"for the input {list_shapes(case.inputs)} output '{name}' is {'×'.join(map(str, found))} in torch "
                    f"and ONNX, and {expected} by the graph{doubt}"
                )


def _find_sizes(graph: Graph, case: ProofCase) -> dict[str, int]:
    """The sizes at which a case ran."""
    sizes: dict[str, int] = {}
    for name, node in graph.inputs.items():
        assert isinstance(node.op, Input)
        _, *extents = case.inputs[name]
        sizes |= {entry: extent for entry, extent in zip(node.op.dims, extents, strict=True) if isinstance(entry, str)}
    return sizes
