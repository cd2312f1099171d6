"""What is laid out anew: shapes and readings, against torch's own and their gradients."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from archspec.ops import DepthToSpace, OpError, Shape, ShuffleChannels, SpaceToDepth, Tokens, Transpose
from archspec.ops.rearranging import Rearranging
from compiler.torch_target import moves


@pytest.mark.parametrize(
    ("op", "x", "message"),
    [
        (Tokens(), Shape(8), "tokens needs a map, found the vector 8"),
        (Transpose(), Shape(8), "transpose needs a row of tokens, C×L, found 8$"),
        (Transpose(), Shape(8, 2, 2), "transpose needs .*, found 8×2×2; put `tokens` before it"),
        (DepthToSpace(), Shape(6, 2, 2), "a block has 4 positions, and 6 channels of 6×2×2 are no multiple"),
        (SpaceToDepth(block=3), Shape(6, 3, 4), "blocks of 3 do not fit the 4 positions along axis 2 of 6×3×4"),
        (SpaceToDepth(), Shape(6), "space_to_depth needs one to three spatial axes"),
        (ShuffleChannels(groups=4), Shape(6, 3), "groups: 4 does not divide the 6 channels of 6×3"),
    ],
)
def test_refuses(op: Rearranging, x: Shape, message: str) -> None:
    with pytest.raises(OpError, match=message):
        op.infer(x)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_blocks_come_back(rank: int) -> None:
    x = torch.randn(2, 3, *(4, 6, 2)[:rank])
    deep = moves.SpaceToDepth(2)(x)
    assert tuple(deep.shape[1:]) == SpaceToDepth().infer(Shape(*x.shape[1:]))
    assert moves.DepthToSpace(2)(deep).equal(x)
    assert not moves.DepthToSpace(2)(deep.flip(1)).equal(x)


def test_blocks_of_images_are_torchs_pixel_shuffle() -> None:
    x = torch.randn(2, 18, 4, 6)
    assert moves.DepthToSpace(3)(x).equal(functional.pixel_shuffle(x, 3))
    assert moves.SpaceToDepth(2)(x).equal(functional.pixel_unshuffle(x, 2))
    assert moves.ShuffleChannels(6)(x).equal(functional.channel_shuffle(x, 6))


@pytest.mark.parametrize("op", [DepthToSpace(), SpaceToDepth()])
def test_positions_read_those_with_a_gradient(op: DepthToSpace | SpaceToDepth) -> None:
    module = moves.DepthToSpace(2) if isinstance(op, DepthToSpace) else moves.SpaceToDepth(2)
    for place in range(4):
        x = torch.zeros(1, 2, 8, requires_grad=True)
        module(x)[0, :, place].sum().backward()
        assert x.grad is not None
        (positions,) = op.input_span(0, (place, place), Shape(2, 8))
        assert positions is not None
        assert [i for run in positions for i in run] == x.grad[0].sum(0).nonzero().flatten().tolist()


def test_a_row_of_tokens_has_no_place_in_a_map() -> None:
    assert Tokens().input_span(0, (1, 2), Shape(4, 3, 5)) == (None,)
    assert Tokens().infer(Shape(4, 3, 5)) == (4, 15)
    assert Tokens().changes_nothing(Shape(4, 9))


def test_a_transposition_reads_a_channel_at_all_positions() -> None:
    x = torch.randn(2, 3, 5)
    assert Transpose().infer(Shape(3, 5)) == tuple(moves.Transpose()(x).shape[1:])
    assert moves.Transpose()(x)[1, 4, 2] == x[1, 2, 4]
    assert Transpose().input_span(0, (1, 1), Shape(3, 5)) == (None,)
