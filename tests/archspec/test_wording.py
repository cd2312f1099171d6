"""Counts are exact or say that digits are missing; texts are one line, and say where a part is missing."""

from __future__ import annotations

import re
from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.wording import (
    MAX_DIGITS,
    approximate,
    cut,
    cut_middle,
    escape_controls,
    list_some,
    shorten_bytes,
    shorten_count,
    tell_count,
    write_count,
    write_shape,
    write_size,
)

COUNTS = st.integers(1, 14_000).flatmap(lambda bits: st.integers(-(2**bits), 2**bits))


@given(COUNTS)
def test_what_is_written_is_the_number_or_its_first_digits(number: int) -> None:
    for text in (write_count(number), approximate(number)):
        if "…" not in text:
            base, _, power = text.replace(",", "").partition("^")
            assert number == (int(base) if not power else (-1) ** base.startswith("-") * 2 ** int(power))
        else:
            first, power = re.fullmatch(r"-?(\d\.\d{3})… · 10\^(\d+)", text).groups()  # type: ignore[union-attr]
            exact = Decimal(abs(number)).normalize(Context(prec=9000))
            assert exact.adjusted() == int(power)
            assert "".join(map(str, exact.as_tuple().digits[:4])) == first.replace(".", "")
            assert text.startswith("-") == (number < 0)


@pytest.mark.parametrize(
    ("number", "whole", "little"),
    [
        (0, "0", "0"),
        (10**15 - 1, "999,999,999,999,999", "999,999,999,999,999"),
        (-(10**15) - 1, "-1,000,000,000,000,001", "-1.000… · 10^15"),
        (2**58, "288,230,376,151,711,744", "2^58"),
        (10**MAX_DIGITS - 1, ",".join(["999"] * 15), "9.999… · 10^44"),
        (10**MAX_DIGITS, "1.000… · 10^45", "1.000… · 10^45"),
        (10**5000, "1.000… · 10^5000", "1.000… · 10^5000"),  # more digits than Python converts
        (10**5000 - 1, "9.999… · 10^4999", "9.999… · 10^4999"),
    ],
    ids=range(8),
)
def test_the_edges_of_counts(number: int, whole: str, little: str) -> None:
    assert (write_count(number), approximate(number)) == (whole, little)


@pytest.mark.parametrize(
    ("number", "count", "size"),
    [(0, "0", "0 B"), (384, "384", "384 B"), (1_380, "1.38 k", "1.38 kB"), (25_557_032, "25.6 M", "25.6 MB")],
)
def test_three_digits_and_a_unit(number: int, count: str, size: str) -> None:
    assert (shorten_count(number), shorten_bytes(number)) == (count, size)


def test_shapes() -> None:
    assert write_shape((64, "H", 56)) == "64×H×56"
    assert write_shape(()) == ""
    assert write_shape((), "no map") == "no map"


def test_sizes_name_their_axes() -> None:
    assert write_size((32, 30)) == "32×30 (height × width)"
    assert write_size((8, 32, 30)) == "8×32×30 (depth × height × width)"
    assert write_size((30,)) == "30"


def test_nouns_agree_with_their_number() -> None:
    assert [tell_count(number, "image") for number in (0, 1, 1000)] == ["0 images", "1 image", "1,000 images"]
    assert [tell_count(number, "box", "boxes") for number in (1, 2)] == ["1 box", "2 boxes"]


def test_lists_say_how_many_they_leave_out() -> None:
    assert list_some(["a", "b"], most=2) == "a; b"
    assert list_some(["a", "b", "c"], most=2, separator=", ") == "a, b, and 1 more"


@given(st.text(), st.integers(3, 40))
def test_a_cut_text_has_a_sign_and_is_not_too_long(text: str, width: int) -> None:
    said = cut(text, width)
    assert len(said) <= width
    assert said.isprintable()
    assert said == escape_controls(text) or (said.endswith("…") and escape_controls(text).startswith(said[:-1]))


def test_of_a_message_the_end_stays() -> None:
    assert cut_middle(f"{'a' * 50}, want b", 20) == "aaaaaaaa … , want b"
    assert len(cut_middle("\x1b" * 50, 20)) <= 20
    assert cut_middle("line\x1b[31m\n") == "line\\x1b[31m\\n"
