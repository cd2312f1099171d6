"""A way down and a way up, with a skip across each level."""

from __future__ import annotations

from archspec.spec.nodes import EncoderDecoder
from compiler.elaborate.bodies import elaborates, run_body
from compiler.elaborate.builder import MERGES
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk


@elaborates(EncoderDecoder)
def encoder_decoder(walk: Walk, node: EncoderDecoder, step: Step) -> MaybeNode:
    """Send a value a way down and a way up, level by level, with a skip across each (Ronneberger et al., 2015)."""
    value, inside = step.value, step.enter()
    turns = list(walk.list_turns(step, node))
    skips = []
    for turn in turns:
        value = run_body(walk, node.encoder, value, turn.enter("encoder"))
        skips.append(run_body(walk, node.skip, value, turn.enter("skip")))
        value = run_body(walk, node.down, value, turn.enter("down"))
    value = run_body(walk, node.bottom, value, inside.enter("bottom"))
    for turn, skip in zip(reversed(turns), reversed(skips), strict=True):
        value = run_body(walk, node.up, value, turn.enter("up"))
        op, fit = MERGES[walk.evaluator.setting(step, "merge")](), walk.evaluator.setting(step, "fit")
        value = walk.builder.merge(step, op, [skip, value], fit, turn.enter("merge"))
        value = run_body(walk, node.decoder, value, turn.enter("decoder"))
    return value
