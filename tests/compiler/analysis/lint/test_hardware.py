"""The rules about what hardware computes fast: cases for `test_finding.py`, and torch as witness."""

from __future__ import annotations

from compiler.analysis.cost.cost import measure_cost
from tests.support.lint_texts import (
    build,
)


def test_what_rounding_up_costs() -> None:
    """The share that is said to be wasted is what the network with more channels takes more in that layer."""
    text = "archspec: 1\ninputs: {x: [256, 32, 32]}\nnetwork:\n  - conv: 12\n  - relu\n  - conv: 16\n"
    (finding,) = build(text)[1]
    narrow, wide = (measure_cost(build(text.replace("12", width))[0]).nodes[1].macs for width in ("12", "16"))
    assert f"{100 * (wide - narrow) / narrow:.0f} % more multiply-accumulates here" in finding.message
