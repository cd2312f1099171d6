"""Conditions of extents."""

from __future__ import annotations

from compiler.sizes.conditions import AtMost, Same, are_equal, can_be_repeated, differ_evenly


def test_conditions_hold_of_extents() -> None:
    assert are_equal(3, 3)
    assert not are_equal(3, 4)
    assert can_be_repeated(1, 5, 5)
    assert not can_be_repeated(2, 5)
    assert differ_evenly(3, 7)
    assert not differ_evenly(3, 6)
    assert AtMost(4)(4)
    assert not AtMost(4)(5)
    assert Same(3)(3)
    assert Same(1, modulus=4)(9)
    assert not Same(1, modulus=4)(8)
