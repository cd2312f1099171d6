"""Operations that the caller brings."""

from __future__ import annotations

from pydantic import ValidationError

from archspec.errors import Diagnostic
from archspec.spec.layers import node_of
from archspec.spec.messages import report_invalid
from archspec.spec.nodes import Ext
from compiler.elaborate.bodies import elaborates
from compiler.elaborate.reporter import SkipNode
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk


@elaborates(Ext)
def extension(walk: Walk, node: Ext, step: Step) -> MaybeNode:
    """Put in an operation of the caller's own, which he allowed by name."""
    if node.use not in walk.extensions:
        allowed = f"; allowed are {', '.join(walk.extensions)}" if walk.extensions else ""
        message = f"the caller did not allow the extension '{node.use}'{allowed}"
        walk.reporter.fail("extension", message, step.place("use"), step.calls)
    op = walk.extensions[node.use]
    model = node_of(op)
    try:
        given = model.model_validate(node.model_extra).given
    except ValidationError as error:
        found: list[Diagnostic] = []
        report_invalid(error, model, f"the extension {node.use}", node.written, node.place, node.place, found)
        for mistake in found:
            walk.reporter.report(mistake.code, mistake.message, mistake.place, step.calls)
        raise SkipNode from None
    return walk.builder.apply_layer(step, walk.evaluator.build_op(step, op, given))
