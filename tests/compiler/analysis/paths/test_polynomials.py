"""Polynomials of counts: against products by hand and binomial coefficients."""

from __future__ import annotations

from math import comb

from hypothesis import given
from hypothesis import strategies as st

from compiler.analysis.paths.polynomials import Polynomial, multiply
from tests.support.enumeration import convolve

coefficients = st.lists(st.integers(0, 10**30), max_size=6).map(lambda middle: (1, *middle, 2))


@given(coefficients, coefficients, st.integers(1, 9))
def test_polynomials_multiply_as_by_hand(a: tuple[int, ...], b: tuple[int, ...], n: int) -> None:
    assert list((Polynomial(2, a) * Polynomial(3, b)).coefficients) == convolve(list(a), list(b))
    power = [1]
    for _ in range(n):
        power = convolve(power, list(a))
    assert Polynomial(1, a) ** n == Polynomial(n, tuple(power))


def test_powers_of_many_terms_are_those_of_few() -> None:
    """Beyond sixteen terms powers are taken otherwise: (1 + z)^40 squared is (1 + z)^80."""
    many = Polynomial(0, (1, 1)) ** 40
    assert many**2 == Polynomial(0, tuple(comb(80, k) for k in range(81)))
    assert multiply([many, many, Polynomial(3)]) == Polynomial(3, (many**2).coefficients)
    assert multiply([]) == Polynomial()
