"""A way down and a way up, with a skip across each level."""

from __future__ import annotations

from typing import Any

from archspec.ops import MERGES
from archspec.spec.nodes.levels import EncoderDecoder
from archspec.spec.references import list_references
from compiler.elaborate.bodies import elaborates, run_body
from compiler.elaborate.scope import MaybeNode, Scope, Step
from compiler.elaborate.walk import Walk

UP = "up"
"""The tap by which a body on a skip reads what comes from below."""


@elaborates(EncoderDecoder)
def encoder_decoder(walk: Walk, node: EncoderDecoder, step: Step) -> MaybeNode:
    """Send a value a way down and a way up, level by level, with a skip across each (Ronneberger et al., 2015)."""
    value, inside = step.value, step.enter()
    gated = _reads_up(node.skip)
    turns = list(walk.list_turns(step, node))
    skips = []
    for turn in turns:
        value = run_body(walk, node.encoder, value, turn.enter("encoder"))
        skips.append(value if gated else run_body(walk, node.skip, value, turn.enter("skip")))
        value = run_body(walk, node.down, value, turn.enter("down"))
    value = run_body(walk, node.bottom, value, inside.enter("bottom"))
    for turn, skip in zip(reversed(turns), reversed(skips), strict=True):
        value = run_body(walk, node.up, value, turn.enter("up"))
        if gated:
            skip = _run_gate(walk, node, turn, skip, value)
        op, fit = MERGES[walk.evaluator.setting(step, "merge")](), walk.evaluator.setting(step, "fit")
        operands = [skip, value] if walk.evaluator.setting(step, "order") == "skip_first" else [value, skip]
        value = walk.builder.merge(step, op, operands, fit, turn.enter("merge"), like=operands.index(skip))
        value = run_body(walk, node.decoder, value, turn.enter("decoder"))
    return value


def _reads_up(skip: Any) -> bool:
    """Tell whether a body on the skips reads `up`, and so has to wait for what comes from below."""
    return any(reference.text == UP for reference in list_references(skip))


def _run_gate(walk: Walk, node: EncoderDecoder, turn: Scope, skip: MaybeNode, up: MaybeNode) -> MaybeNode:
    """Send a level's value through the body on its skip, where what comes from below is the tap `up`; outside, a tap of
    that name stays what it was."""
    taps = turn.taps
    outer = {UP: taps[UP]} if UP in taps else {}
    taps[UP] = up
    skip = run_body(walk, node.skip, skip, turn.enter("skip"))
    del taps[UP]
    taps.update(outer)
    return skip
