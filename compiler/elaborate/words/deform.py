"""Convolution whose taps are moved by bodies of its input."""

from __future__ import annotations

from archspec.ops import DeformConv
from archspec.spec.nodes.deform import Deforming
from compiler.elaborate.bodies import elaborates, run_body
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk


@elaborates(Deforming)
def deform_conv(walk: Walk, node: Deforming, step: Step) -> MaybeNode:
    """Send one value through the bodies of offsets and mask, and convolve it (Zhu et al., 2019). FixUp leaves those
    alone, as it does gates."""
    inside = step.enter()
    bodies = {"offset": node.offset} | ({} if node.mask is None else {"mask": node.mask})
    apart = inside._replace(fixup=None)
    given = [run_body(walk, body, step.value, apart.enter(word)) for word, body in bodies.items()]
    op = walk.evaluator.build_op(step, DeformConv, walk.evaluator.collect(step, node.settings))
    return walk.builder.apply_layer(step, op, given, inside.join(op.kind))
