"""Attention against torch's and torchvision's own."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archspec.api import to_torch
from archspec.ops import Attention, Shape
from tests.support.lowering import graph_of
from tests.support.torchvision_models import import_torchvision_models

CLOSE = 1e-5


def build(op: Attention, x: Shape) -> nn.Module:
    return to_torch(graph_of(op, x, x, x)).eval()


def is_close(found: Tensor, expected: Tensor) -> bool:
    return float((found - expected).abs().max()) < CLOSE * max(1.0, float(expected.abs().max()))


@torch.no_grad()
@pytest.mark.parametrize("causal", [False, True])
def test_heads_are_those_of_torch(causal: bool) -> None:
    """nn.MultiheadAttention, its products with weights apart; of other values the result is another."""
    torch.manual_seed(0)
    witness = nn.MultiheadAttention(24, 4, batch_first=True).eval()
    x = torch.randn(3, 24, 7)
    mask = nn.Transformer.generate_square_subsequent_mask(7) if causal else None
    expected, _ = witness(*[x.mT] * 3, attn_mask=mask)
    parts = F.linear(x.mT, witness.in_proj_weight, witness.in_proj_bias).mT.chunk(3, dim=1)
    module = build(Attention(heads=4, causal=causal), Shape(24, 7))
    assert is_close(witness.out_proj(module(*parts).mT), expected)
    assert not is_close(witness.out_proj(module(parts[1], parts[0], parts[2]).mT), expected)


@torch.no_grad()
def test_other_positions_and_values_of_another_width() -> None:
    q, k, v = torch.randn(2, 8, 5, 6), torch.randn(2, 8, 9), torch.randn(2, 12, 9)
    graph = graph_of(Attention(heads=2, scale=0.3), Shape(8, 5, 6), Shape(8, 9), Shape(12, 9))
    rows, keys, values = (x.flatten(2).unflatten(1, (2, -1)).mT for x in (q, k, v))
    expected = F.scaled_dot_product_attention(rows, keys, values, scale=0.3).mT.reshape(2, 12, 5, 6)
    assert is_close(to_torch(graph).eval()(q, k, v), expected)


def make_swin(version: str, window: int, shift: int) -> Any:
    import_torchvision_models()
    swin = import_module("torchvision.models.swin_transformer")
    witness = getattr(swin, f"ShiftedWindowAttention{version}")(24, [window] * 2, [shift] * 2, 3).eval()
    with torch.no_grad():
        for parameter in witness.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return witness


@torch.no_grad()
@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("version", ["", "V2"])
def test_windows_are_those_of_swin(version: str, shift: int) -> None:
    """torchvision's layer on whole windows, with its roll and its products with weights around ours."""
    torch.manual_seed(0)
    witness, x = make_swin(version, 4, shift), torch.randn(2, 24, 8, 12)
    op = Attention(heads=3, bias="relative", window=4, shift=shift)
    names = {"table": "relative_position_bias_table"}
    if version:
        op = Attention(heads=3, bias="continuous", similarity="cosine", window=4, shift=shift)
        names = {"logit_scale": "logit_scale", "inner": "cpb_mlp.0.weight", "inner_bias": "cpb_mlp.0.bias"}
        names["outer"] = "cpb_mlp.2.weight"
    module, given = build(op, Shape(24, 8, 12)), witness.state_dict()
    state = module.state_dict()
    module.load_state_dict({f"op.{own}": given[name].reshape(state[f"op.{own}"].shape) for own, name in names.items()})
    expected = witness(x.movedim(1, -1)).movedim(-1, 1)
    bias = given["qkv.bias"].clone()
    if version:
        bias[24:48] = 0  # as the witness does
    rolled = x.roll((-shift, -shift), (2, 3)).movedim(1, -1)
    parts = F.linear(rolled, given["qkv.weight"], bias).movedim(-1, 1).chunk(3, dim=1)
    found = witness.proj(module(*parts).movedim(1, -1)).movedim(-1, 1).roll((shift, shift), (2, 3))
    assert is_close(found, expected)
    if shift:  # the control: without its mask it is another
        plain = build(op.model_copy(update={"shift": 0}), Shape(24, 8, 12))
        plain.load_state_dict(module.state_dict())
        assert not is_close(plain(*parts), module(*parts))


@torch.no_grad()
@pytest.mark.parametrize("grid", [False, True])
def test_windows_and_grids_are_those_of_maxvit(grid: bool) -> None:
    """torchvision's attention between its own ways to cut a map and to join it; the other way to cut is another."""
    torch.manual_seed(0)
    import_torchvision_models()
    maxvit = import_module("torchvision.models.maxvit")
    witness = maxvit.RelativePositionalMultiHeadAttention(24, 8, 9).eval()
    witness.relative_position_bias_table.normal_()
    x, size = torch.randn(2, 24, 6, 6), 2 if grid else 3
    swap = maxvit.SwapAxes(-2, -3) if grid else nn.Identity()
    rows = witness(swap(maxvit.WindowPartition()(x, size)))
    expected = maxvit.WindowDepartition()(swap(rows), size, 6 // size, 6 // size)
    parts = F.linear(x.movedim(1, -1), witness.to_qkv.weight, witness.to_qkv.bias).movedim(-1, 1).chunk(3, dim=1)

    def attend(*, grid: bool) -> Tensor:
        op = Attention(heads=3, bias="relative", scale=24**-0.5, window=3, grid=grid)
        module = build(op, Shape(24, 6, 6))
        module.load_state_dict({"op.table": witness.relative_position_bias_table})
        joined: Tensor = witness.merge(module(*parts).movedim(1, -1)).movedim(-1, 1)
        return joined

    assert is_close(attend(grid=grid), expected)
    assert not is_close(attend(grid=not grid), expected)
