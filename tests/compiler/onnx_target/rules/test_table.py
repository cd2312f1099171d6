"""One rule for each operation, also where a caller gives rules of his own."""

from __future__ import annotations

import pytest

from archspec.errors import ArchspecError, InputError
from archspec.ops import Relu
from compiler.onnx_target.rules import RULES
from compiler.onnx_target.rules.table import plain


def test_a_second_rule_for_an_operation_is_refused() -> None:
    with pytest.raises(InputError, match="onnx has two rules for relu"):
        RULES.extended({Relu: plain("Relu")})


def test_an_operation_of_ones_own_is_written_by_the_rule_that_comes_with_it() -> None:
    class Twist(Relu):
        """An operation that no target knows."""

    with pytest.raises(ArchspecError, match="onnx has no rule for twist"):
        RULES[Twist]
    assert Twist in RULES.extended({Twist: plain("Identity")})
    assert Twist not in RULES
