"""Layers are torch's own, with the fields of the operation; each operation has one rule."""

from __future__ import annotations

import pytest
from torch import nn

from archspec.errors import ArchspecError, InputError
from archspec.ops import AvgPool, Conv, Linear, MaxPool, Op, Shape, Softmax
from compiler.torch_target.rules import RULES

MAP = Shape(4, 8, 8)
LAYERS: list[tuple[Op, Shape, nn.Module]] = [
    (
        Conv(out=6, kernel=5, stride=2, padding=1, dilation=2, groups=2, bias=False),
        MAP,
        nn.Conv2d(4, 6, 5, 2, 1, 2, 2, False),
    ),
    (Conv(out=6, kernel=3), Shape(4, 8), nn.Conv1d(4, 6, 3, padding=1)),
    (MaxPool(kernel=3, stride=2, ceil=True), MAP, nn.MaxPool2d(3, 2, ceil_mode=True)),
    (AvgPool(kernel=2, stride=2), Shape(4, 8, 8, 8), nn.AvgPool3d(2, 2)),
    (Linear(out=5), Shape(7), nn.Linear(7, 5)),
    (Softmax(), MAP, nn.Softmax(dim=1)),
]


@pytest.mark.parametrize(("op", "x", "witness"), LAYERS, ids=[op.kind for op, _, _ in LAYERS])
def test_a_layer_is_torchs_own(op: Op, x: Shape, witness: nn.Module) -> None:
    made = RULES[type(op)](op, x)
    assert type(made) is type(witness)
    assert repr(made).replace(", padding_mode=zeros", "") == repr(witness)


def test_an_operation_without_a_rule_is_named() -> None:
    class Twist(Softmax):
        """An operation that no target knows."""

    with pytest.raises(ArchspecError, match="torch has no rule for twist; give one in `rules`"):
        RULES[Twist]
    with pytest.raises(InputError, match="torch has two rules for conv"):
        RULES.extended({Conv: RULES[Conv]})
