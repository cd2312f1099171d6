"""Cases of lint rules: a spec in which each finds something, and the same put right."""

from __future__ import annotations

from tests.support.lint_texts import (
    VECTOR,
    swap,
)

CASES = [
    swap(
        "signal-overflow",
        VECTOR + "  - linear: 16\n  - repeat: {n: 40, body: [▸residual: {body: [relu, linear: 16]}]}\n",
        "body: [relu",
        "scaling: sqrt_half, body: [relu",
        "first in repeat_0.i25.residual_0, with a root mean square of 1.16e+04",  # 2^((25 + 2) / 2)
    ),
    swap(
        "signal-vanishes",
        VECTOR + "  - repeat: {n: 30, body: [▸linear: {out: 16, init: torch, bias: false}, relu]}\n",
        "init: torch",
        "init: he",
        "values vanish below what fp16 holds at initialization",
    ),
    swap(
        "gradient-spread",
        VECTOR
        + "  - ▸linear: {out: 16, gain: 2}\n  - relu\n  - repeat: {n: 50, body: [linear: {out: 16, gain: 2}, relu]}\n",
        "gain: 2",
        "gain: 1",
        "times as large at linear_0 as at repeat_0.i49.linear_0",
    ),
]
