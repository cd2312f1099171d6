"""What makes the answers of a model depend on the batch, or on chance: training mode, and random numbers."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.extras import extra
from runtime.verification.checks import Check
from runtime.verification.model.inside import ModelInside

with extra("run"):
    import onnx

    from compiler.onnx_file.nodes import describe_node, list_nodes, read_attribute, read_opset

TRAINING = "ai.onnx.preview.training"
"""ONNX's domain of gradients and optimizers."""

MODE = 2
"""The operand of Dropout that says whether it is training."""

FIRST_MODE = 14
"""The opset from which on an attribute of BatchNormalization says so; before, it trains where it gives statistics."""


RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
)


def check_training(inside: ModelInside) -> Check:
    """Check that no node is in training mode; the row names the first that is."""
    found = list(_find_training(inside))
    drawing = find_random(inside)
    if not found and drawing:
        return Check("inference", "noted", f"no node is in training mode; {drawing} draws random numbers")
    if not found:
        return Check("inference", "passed", "no node is in training mode")
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return Check("inference", "failed", f"{found[0]}{more}: the answers depend on the batch or on chance")


def find_random(inside: ModelInside) -> str | None:
    """A node that draws random numbers, so that no two runs agree; None where there is none."""
    return next((describe_node(node) for node in list_nodes(inside.model) if node.op_type in RANDOM), None)


def _find_training(inside: ModelInside) -> Iterator[str]:
    opset = read_opset(inside.model)
    for node in list_nodes(inside.model):
        if node.domain == TRAINING:
            yield f"{describe_node(node)} computes gradients or updates weights"
        elif _norm_trains(node, opset) or _drops(node, inside):
            yield f"{describe_node(node)} is in training mode"


def _norm_trains(node: onnx.NodeProto, opset: int) -> bool:
    if node.op_type != "BatchNormalization":
        return False
    if opset >= FIRST_MODE:
        return bool(read_attribute(node, "training_mode", 0))
    return any(node.output[1:])


def _drops(node: onnx.NodeProto, inside: ModelInside) -> bool:
    """Tell whether a dropout is told to drop something: its share is a half where it does not say."""
    if node.op_type != "Dropout":
        return False
    share, mode = (inside.find(name) for name in [*node.input, "", "", ""][MODE - 1 : MODE + 1])
    return mode is not None and bool(mode.any()) and (share is None or bool(share.any()))
