"""Operations that the caller brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from archspec.errors import Diagnostic
from archspec.ops import Op
from archspec.spec.layers import node_of
from archspec.spec.messages import report_invalid
from archspec.spec.nodes.ext import Ext
from archspec.wording import tell_count
from compiler.elaborate.bodies import elaborates
from compiler.elaborate.reporter import SkipNode
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk
from compiler.elaborate.words.taps import find_value


@elaborates(Ext)
def extension(walk: Walk, node: Ext, step: Step) -> MaybeNode:
    """Put in an operation of the caller's own, which he allowed by name."""
    if node.use not in walk.extensions:
        allowed = f"; allowed are {', '.join(walk.extensions)}" if walk.extensions else ""
        message = f"the caller did not allow the extension '{node.use}'{allowed}"
        walk.reporter.fail("extension", message, step.place("use"), step.calls)
    op = walk.extensions[node.use]
    given = _read_fields(walk, node, step, op)
    others = [find_value(walk, step, label, "with") for label in node.with_]
    if op.arity is not None and op.arity != 1 + len(others):
        takes = f"{node.use} takes {tell_count(op.arity, 'value')}, found {1 + len(others)}"
        walk.reporter.fail("bad-value", f"{takes}; `with` names those behind the first", step.place(), step.calls)
    return walk.builder.apply_layer(step, walk.evaluator.build_op(step, op, given), others)


def _read_fields(walk: Walk, node: Ext, step: Step, op: type[Op]) -> Mapping[str, Any]:
    """Read the fields of an extension: those of the node before those that `defaults` give by its name."""
    usual: dict[str, Any] = {}
    for defaults in (step.scope.defaults, walk.evaluator.defaults):
        usual |= defaults.get(node.word, {}).get(node.use, {})
    model = node_of(op)
    try:
        return model.model_validate({**usual, **(node.model_extra or {})}).given
    except ValidationError as error:
        found: list[Diagnostic] = []
        report_invalid(error, model, f"the extension {node.use}", node.written, node.place, node.place, found)
        for mistake in found:
            walk.reporter.report(mistake.code, mistake.message, mistake.place, step.calls)
        raise SkipNode from None
