"""What a padding adds, against torch's, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from archspec.ops import OpError, Pad, Shape

MODES = {"zeros": "constant", "reflect": "reflect", "edge": "replicate"}


@pytest.mark.parametrize("mode", MODES)
def test_each_position_reads_what_torch_puts_there(mode: str) -> None:
    x = torch.arange(1.0, 6.0)[None, None]
    padded = functional.pad(x, (2, 3), mode=MODES[mode])[0, 0]
    op = Pad.model_validate({"before": 2, "after": 3, "mode": mode})
    assert op.infer(Shape(1, 5)) == (1, len(padded))
    gone = functional.pad(x, (2, 3))[0, 0] == 0
    for place, number in enumerate(padded.tolist()):
        ((positions,),) = op.input_span(0, (place, place), Shape(1, 5))  # type: ignore[misc]
        assert [position + 1 for position in positions] == [number] or gone[place]


def test_edges_are_refused_where_there_is_nothing_to_mirror() -> None:
    assert Pad(before=7, mode="edge").infer(Shape(1, 2)) == (1, 9)
    with pytest.raises(OpError, match="axis 2 of 3×8×2 has at most 1 to mirror, and after asks for 2") as found:
        Pad(before=1, after=2, mode="reflect").infer(Shape(3, 8, 2))
    assert found.value.field == "after"
    with pytest.raises(OpError, match="needs one to three spatial axes"):
        Pad(before=1).infer(Shape(3))
    with pytest.raises(OpError, match="has 3 entries"):
        Pad(before=(1, 2, 3)).infer(Shape(3, 8, 8))


def test_zeros_alone_change_what_is_added() -> None:
    assert Pad(before=1, mode="edge").passes_terms
    assert not Pad(before=1).passes_terms
    assert Pad().changes_nothing(Shape(3, 8))
    assert not Pad(after=1).changes_nothing(Shape(3, 8))
