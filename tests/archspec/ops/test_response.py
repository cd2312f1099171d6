"""Local response normalization: what it refuses, its bound, and torch's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from archspec.ops import Bounds, LocalResponseNorm, OpError, Shape


@pytest.mark.parametrize(
    ("op", "x", "message"),
    [
        (LocalResponseNorm(), Shape(8), "local_response_norm needs a map, found the vector 8"),
        (LocalResponseNorm(size=4), Shape(8, 2), "is around a channel: size should be odd, found 4"),
    ],
)
def test_refuses(op: LocalResponseNorm, x: Shape, message: str) -> None:
    with pytest.raises(OpError, match=message):
        op.infer(x)


def test_alpha_is_torchs() -> None:
    """Which divides it by the size, as ONNX does."""
    x, op = torch.randn(2, 6, 4), LocalResponseNorm(size=3, alpha=2, beta=0.5, k=0.5)
    padded = F.pad(x.square(), (0, 0, 1, 1))
    mean = sum(padded[:, start : start + 6] for start in range(3)) / 3
    found = F.local_response_norm(x, op.size, op.alpha, op.beta, op.k)
    assert torch.allclose(found, x / (op.k + op.alpha * mean) ** op.beta)
    assert not torch.allclose(found, x / (op.k + 3 * op.alpha * mean) ** op.beta)


def test_it_is_bound_by_the_term() -> None:
    assert LocalResponseNorm(k=4, beta=0.5).bound(Bounds(-2.0, 6.0)) == (-1, 3)
    assert LocalResponseNorm().identity == {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1}
