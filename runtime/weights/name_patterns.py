"""Patterns of the names of our weights, and templates of the names of theirs, which the rules of names are made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic_core import PydanticCustomError

from archspec.spec.expressions import Expression, ExpressionError, is_name, lookup_of

MAX_LENGTH = 200
"""The most characters of a pattern, a template or a word of the rules, and the most entries of a list."""

MAX_WILDCARDS = 2
"""The most `**` in a pattern: each more multiplies the ways in which a name can be matched."""


Captured: TypeAlias = dict[str, int | str]
"""What a pattern finds in a name: numbers and words, by their names."""


@dataclass(frozen=True)
class NamePattern:
    """A pattern of the names of weights or of layers.

    >>> NamePattern.parse("repeat_0.i{s}.**.conv_{n}").match("repeat_0.i2.block_0.body.conv_1")
    {'s': 2, 'n': 1}
    >>> NamePattern.parse("mixed_<m>.**.conv_0").match("mixed_5b.concat_0.branch1.conv_0")
    {'m': '5b'}
    """

    text: str
    regex: re.Pattern[str]

    @classmethod
    def parse(cls, text: Any) -> NamePattern:
        """Raises PydanticCustomError."""
        if not isinstance(text, str) or not 0 < len(text) <= MAX_LENGTH:
            raise refuse_rule(f"should be a pattern of 1 to {MAX_LENGTH} characters")
        parts = text.split(".")
        if parts.count("**") > MAX_WILDCARDS or parts[-1] == "**":
            raise refuse_rule(f"should have `**` at most {MAX_WILDCARDS} times, and not at its end")
        seen: set[str] = set()
        pieces = [r"(?:[^.]+\.)*" if part == "**" else cls._read_part(part, text, seen) + r"\." for part in parts]
        return cls(text, re.compile("".join(pieces).removesuffix(r"\.")))

    @staticmethod
    def _read_part(part: str, text: str, seen: set[str]) -> str:
        regex = ""
        for literal, number, word, star in re.findall(r"([^{}<>*]+)|\{([^{}]*)\}|<([^<>]*)>|(\*)|.", part):
            if star:
                regex += r"[^.]*"
            elif literal and not re.search(r"\W", literal):
                regex += re.escape(literal)
            elif name := number or word:
                if not is_name(name) or name in seen:
                    raise refuse_rule(f"'{name}' in '{text}' should be a name that stands there once")
                seen.add(name)
                regex += f"(?P<{name}>{'[0-9]{1,9}' if number else r'[^.]+'})"
            else:
                raise refuse_rule(f"'{text}' should be made of names, {{numbers}}, <words> and *, with dots between")
        if not part:
            raise refuse_rule(f"'{text}' has an empty part")
        return regex

    def match(self, name: str) -> Captured | None:
        """Match a name: the numbers and words by their names, or None where the name is another one."""
        found = self.regex.fullmatch(name)
        if found is None:
            return None
        numbers = {name for name in found.groupdict() if f"{{{name}}}" in self.text}
        return {name: int(part) if name in numbers else part for name, part in found.groupdict().items()}


@dataclass(frozen=True)
class NameTemplate:
    """A name with expressions in braces, and with words of the pattern.

    >>> NameTemplate.parse("layer{s + 1}.{b}.bn1").write(dict(s=0, b=3))
    'layer1.3.bn1'
    >>> NameTemplate.parse("Mixed_<m>.conv").write(dict(m="5b"))
    'Mixed_5b.conv'
    """

    text: str
    parts: tuple[str | Expression, ...]

    @classmethod
    def parse(cls, text: Any) -> NameTemplate:
        """Raises PydanticCustomError."""
        if not isinstance(text, str) or not 0 < len(text) <= MAX_LENGTH:
            raise refuse_rule(f"should be a name of 1 to {MAX_LENGTH} characters, with expressions in braces")
        pieces = re.split(r"\{([^{}]*)\}", text)
        if any(re.search(r"[^\w.-]", re.sub(r"<\w+>", "", literal)) for literal in pieces[::2]):
            raise refuse_rule(f"'{text}' is no name: letters, digits, _, -, dots and {{expressions}}")
        try:
            return cls(text, tuple(Expression.parse(piece) if i % 2 else piece for i, piece in enumerate(pieces)))
        except ExpressionError as error:
            raise PydanticCustomError(error.code, "{text}", {"text": str(error)}) from error

    def write(self, *scopes: Mapping[str, Any]) -> str:
        """Raises ExpressionError."""
        return "".join(
            self._fill(part, scopes) if isinstance(part, str) else self._digits(part, scopes) for part in self.parts
        )

    def _fill(self, part: str, scopes: tuple[Mapping[str, Any], ...]) -> str:
        """Put the words of the pattern in their places."""
        known = lookup_of(*scopes)
        return re.sub(r"<(\w+)>", lambda found: self._word(known(found[1])), part)

    def _word(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ExpressionError(f"'{self.text}' should name a word of the pattern, found {value}")
        return value

    def _digits(self, part: Expression, scopes: tuple[Mapping[str, Any], ...]) -> str:
        value = part(lookup_of(*scopes))
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ExpressionError(f"'{part.text}' in '{self.text}' should be a whole number from 0, found {value}")
        return str(value)


def refuse_rule(text: str) -> PydanticCustomError:
    return PydanticCustomError("bad-rule", "{text}", {"text": text})
