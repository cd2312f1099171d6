"""Numbers with units in conditions, as in `25.6M` and `8GiB`."""

from __future__ import annotations

import re
from fractions import Fraction

from archspec.errors import ArchspecError
from archspec.wording import cut

UNITS = {"": 1} | {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGT", start=1)}

_NUMBER = re.compile(
    r"(?P<sign>-?)(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:_[0-9]+)*)(?P<rest>\.[0-9]+)?(?:[eE](?P<exponent>[+-]?[0-9]{1,3}))?"
    r"(?:\^(?P<power>[0-9]{1,4}))?\s*(?P<unit>[kKMGT]|[KMGT]i)?(?P<bytes>B)?"
)


class ConditionError(ArchspecError):
    """A condition cannot be read, or asks for a number which there is not."""


def read_number(text: str) -> Fraction:
    """Read `25.6M`, `8GiB` or `2^58` as an exact number. Raises ConditionError."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        units = ", ".join(unit for unit in UNITS if unit)
        raise ConditionError(
            f"'{cut(text, 60)}' is no number: digits, then one of {units} if any, and B for bytes, as in 25.6M or 8GiB"
        )
    number = Fraction(match["whole"].replace(",", "").replace("_", "") + (match["rest"] or ""))
    number = number * Fraction(10) ** int(match["exponent"] or 0)
    if match["power"]:
        if number > 10**6 or number.denominator > 1:
            raise ConditionError(f"'{cut(text, 60)}': a power is that of a whole number up to a million, as in 2^58")
        number **= int(match["power"])
    return number * UNITS[match["unit"] or ""] * (-1 if match["sign"] else 1)
