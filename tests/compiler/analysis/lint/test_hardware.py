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


def test_channels_that_a_reader_tells_are_not_the_authors_to_choose() -> None:
    """Of offsets and masks; not where something else reads them too."""
    head = "archspec: 1\ninputs: {x: [256, 32, 32]}\nnetwork:\n"
    text = "  - deform_conv: {out: 16, offset: [conv: {out: 18}, tap: moved], mask: [conv: {out: 9}, sigmoid]}\n"
    assert not build(head + text.replace(", tap: moved", ""))[1]
    more = text + "  - concat: [[], [from: moved, conv: {out: 16}]]\n"
    assert [finding.code for finding in build(head + more)[1]] == ["channels-off-multiple"]
