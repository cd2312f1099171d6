"""Conditions of extents."""

from __future__ import annotations

from compiler.sizes.conditions import AtMost, Same, are_equal, can_be_repeated, differ_evenly, divide, hold, limit


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


def test_conditions_say_with_what_their_tests_compare_or_divide() -> None:
    assert (hold(0, 3).compares, hold(0, 3).constants) == (True, (3,))
    assert (limit(0, 4).compares, limit(0, 4).constants) == (True, (4,))
    assert (divide(0, 4, 1).compares, divide(0, 4, 1).modulus) == (False, 4)
    assert divide(0, 4, 1).holds(9)
    assert not divide(0, 4).holds(9)
