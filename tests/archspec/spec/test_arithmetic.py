"""The arithmetic of expressions, against Python's own and its bounds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.spec.arithmetic import FUNCTIONS, MAX_ENTRIES, MAX_EXPONENT, bound_list, raise_to, take_item, take_slice


@given(st.lists(st.integers(), max_size=6), st.integers(-9, 9) | st.none(), st.integers(-9, 9) | st.none())
def test_slices_and_sums_are_pythons(values: list[int], start: int | None, stop: int | None) -> None:
    assert take_slice(values, start, stop) == values[start:stop]
    assert FUNCTIONS["sum"](values) == sum(values)


@given(st.integers(-20, 20), st.integers(-2, MAX_EXPONENT + 2))
def test_powers_are_pythons_up_to_a_bound(base: int, exponent: int) -> None:
    if 0 <= exponent <= MAX_EXPONENT:
        assert raise_to(base, exponent) == base**exponent
    else:
        with pytest.raises(ValueError, match=r"an exponent should be 0\.5 or a whole number"):
            raise_to(base, exponent)


@given(st.floats(-1e6, 1e18))
def test_a_power_of_one_half_is_the_square_root(base: float) -> None:
    if base >= 0:
        assert raise_to(base, 0.5) == math.sqrt(base)
    else:
        with pytest.raises(ValueError, match=r"found 0\.5 of -"):
            raise_to(base, 0.5)


@pytest.mark.parametrize("index", [True, 0.0, "0", 3, -4])
def test_items_that_are_none(index: object) -> None:
    with pytest.raises((TypeError, IndexError)):
        take_item([1, 2, 3], index)


def test_list_counts_what_its_lists_hold() -> None:
    half = [0] * (MAX_ENTRIES // 2 - 1)
    assert bound_list([half, half]) == [half, half]
    with pytest.raises(ValueError, match="at most 1,000 entries"):
        bound_list([half, half, 0])
