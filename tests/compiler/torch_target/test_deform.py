"""Deformable convolution in torch, against onnx's own and against a convolution whose taps nothing moves."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn
from torch.nn import functional as F

from archspec.api import to_torch
from archspec.ops import DeformConv, Shape
from tests.support.foreign_models import node
from tests.support.lowering import graph_of, stir

X = Shape(8, 10, 13)
CASES = [
    (DeformConv(out=6, kernel=(3, 1), stride=(2, 1), dilation=2), (X, Shape(6, 5, 13))),
    (DeformConv(out=6, groups=2, offset_groups=4, padding=0), (X, Shape(72, 8, 11), Shape(36, 8, 11))),
]


def build(op: DeformConv, shapes: tuple[Shape, ...]) -> nn.Module:
    return stir(to_torch(graph_of(op, *shapes))).eval()


def draw(shapes: tuple[Shape, ...], spread: float) -> list[Tensor]:
    torch.manual_seed(0)
    x, offset, *mask = (torch.randn(2, *shape) for shape in shapes)
    return [x, spread * offset, *mask]


def evaluate(op: DeformConv, module: nn.Module, given: list[Tensor]) -> Tensor:
    """Run onnx's reference implementation, which was written for the standard and shares nothing with torch."""
    windows = op.windows(Shape(*given[0].shape[1:]))
    made = node(
        "DeformConv",
        "x w offset b" + " mask" * (len(given) > 2),
        kernel_shape=[w.kernel for w in windows],
        strides=[w.stride for w in windows],
        dilations=[w.dilation for w in windows],
        pads=[w.before for w in windows] + [w.after for w in windows],
        group=op.groups,
        offset_group=op.offset_groups,
    )
    state = module.state_dict()
    names = dict(zip(("x", "offset", "mask"), given, strict=False))
    names |= {"w": state["op.weight"], "b": state["op.bias"]}
    inputs = [onnx.helper.make_tensor_value_info(name, 1, value.shape) for name, value in names.items()]
    output = onnx.helper.make_tensor_value_info("y", 1, None)
    model = onnx.helper.make_model(
        onnx.helper.make_graph([made], "deform", inputs, [output]),
        opset_imports=[onnx.helper.make_opsetid("", 19)],
    )
    found: Any = ReferenceEvaluator(model).run(None, {name: value.numpy() for name, value in names.items()})
    return torch.from_numpy(found[0])


@torch.no_grad()
@pytest.mark.parametrize("spread", [0.3, 4.0])
@pytest.mark.parametrize(("op", "shapes"), CASES)
def test_it_is_that_of_the_standard(op: DeformConv, shapes: tuple[Shape, ...], spread: float) -> None:
    """Also far beyond the ends of the map; with the two halves of an offset exchanged it is another."""
    module, given = build(op, shapes), draw(shapes, spread)
    expected = evaluate(op, module, given)
    assert torch.allclose(module(*given), expected, atol=1e-4)
    exchanged = given[1].unflatten(1, (-1, 2)).flip(2).flatten(1, 2)
    assert not torch.allclose(module(given[0], exchanged, *given[2:]), expected, atol=1e-1)


@torch.no_grad()
@pytest.mark.parametrize("at", [(0, 0), (1, -2)])
def test_taps_that_all_move_alike_read_a_map_that_is_rolled(at: tuple[int, int]) -> None:
    op = DeformConv(out=6, padding=0)
    shapes = (X, Shape(18, 8, 11))
    module, (x, _) = build(op, shapes), draw(shapes, 0)
    offset = torch.tensor(at, dtype=torch.float32).repeat(9)[None, :, None, None].expand(2, 18, 8, 11)
    state = module.state_dict()
    moved = F.pad(x, (2, 2, 2, 2))[:, :, 2 + at[0] :, 2 + at[1] :][:, :, : X[1], : X[2]]
    assert torch.allclose(module(x, offset), F.conv2d(moved, state["op.weight"], state["op.bias"]), atol=1e-5)


def test_gradients_are_those_of_the_samples() -> None:
    """By differences, in double precision."""
    op, shapes = (
        DeformConv(out=4, kernel=2, padding=0, offset_groups=2),
        (Shape(4, 5, 6), Shape(16, 4, 5), Shape(8, 4, 5)),
    )
    module = build(op, shapes).double()
    given = [x.double().requires_grad_() for x in draw(shapes, 0.7)]
    assert torch.autograd.gradcheck(module, tuple(given), eps=1e-7, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_places_do_not_lose_their_precision_in_two_bytes(dtype: torch.dtype) -> None:
    """At 200 positions the steps of bfloat16 are one position wide; offsets of a half are kept."""
    op = DeformConv(out=1, kernel=1, bias=False)
    x = torch.arange(200.0).reshape(1, 1, 1, 200).expand(1, 1, 4, 200)
    offset = torch.tensor([0.0, 0.5]).reshape(1, 2, 1, 1).expand(1, 2, 4, 200)
    module = to_torch(graph_of(op, Shape(1, 4, 200), Shape(2, 4, 200)))
    module.state_dict()["op.weight"].fill_(1)
    found = module.to(dtype)((x / 256).to(dtype), offset.to(dtype))[0, 0, 0, :-1]
    assert float((found.float() * 256 - x[0, 0, 0, :-1] - 0.5).abs().max()) <= 0.51
