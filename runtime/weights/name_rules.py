"""Rules that turn the names of a spec's weights into those of other libraries. They stand beside the spec, as data.

    weight_rules: 1
    rules:
      - specs: [resnet18, resnet50]              # by file name, in the same folder
        sources: [torchvision, timm]             # whose names these are
        let: {before: [0, 3, 7]}                 # values for the expressions; lists may hold expressions of the params
        names:                                   # ours: theirs; the first pattern that fits a name decides
          conv_0: conv1
          repeat_0.i{s}.*.residual_0.body.conv_{n}: "layer{s + 1}.0.conv{n + 1}"

On the left `{s}` matches a number and gives it a name, `<m>` a word, `*` matches anything within one part of a name,
and `**` any number of parts. On the right `{...}` holds an expression of the language, over the matched numbers, `let`
and the spec's params, and `<m>` is the word. A rule speaks of a whole name (`scale_0.factor`), or of a layer, whose
weights keep the last part of their name. Where a tensor has other extents in the same order, `{name: …, reshape: true}`
says so; `rows: [START, STOP]` takes some of its rows, beside `parts: N` those of each of N equal parts; `join: […]` in
place of `name` puts several tensors one after the other, and `permute` gives the order of the axes. What theirs has
and the spec leaves out, such as an auxiliary head or places that follow from a window, is named by what its names begin
with, or whole: `leaves: [aux, "**.position_index"]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from archspec.errors import Diagnostic, Mistakes, Place, SpecError
from archspec.spec.expressions import Expression, ExpressionError, is_name, lookup_of
from archspec.spec.marked import Table, place_in
from archspec.spec.messages import report_invalid
from archspec.spec.text import read_file
from archspec.spec.zoo import find_rule_files, shown
from runtime.weights.name_patterns import MAX_LENGTH, NamePattern, NameTemplate, refuse_rule
from runtime.weights.origin import RowRange, WeightOrigin


def _read_value(value: Any) -> Any:
    """A number, an expression, or a list of such."""
    if isinstance(value, list) and len(value) <= MAX_LENGTH:
        return [_read_value(item) for item in value]
    if isinstance(value, bool | int | float):
        return value
    if not isinstance(value, str):
        raise refuse_rule("should be a number, an expression or a list of such")
    try:
        return Expression.parse(value)
    except ExpressionError as error:
        raise PydanticCustomError(error.code, "{text}", {"text": str(error)}) from error


def _read_variable(value: Any) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise refuse_rule("should be a name that an expression can use")
    return value


_Left: TypeAlias = Annotated[str, Field(pattern=r"^[\w*][\w.*-]*$", max_length=MAX_LENGTH)]
_Word: TypeAlias = Annotated[str, Field(pattern=r"^\w[\w.-]*$", max_length=MAX_LENGTH)]


_Name: TypeAlias = Annotated[NameTemplate, PlainValidator(NameTemplate.parse)]
ROWS = "rows"
"""The name that a cut's expressions have for the number of rows of the tensor, or of each of its parts."""
MAX_PARTS = 256
"""The most equal parts of a tensor that rows are taken of, such as the heads of an attention."""


class SourceName(BaseModel):
    """The tensor of theirs that a weight is read from, or several that are joined, and what is done with it."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: _Name | None = None
    join: list[_Name] | None = Field(None, max_length=MAX_LENGTH)
    rows: Annotated[Any, PlainValidator(_read_value)] = None
    parts: Annotated[Any, PlainValidator(_read_value)] = 1
    permute: list[Annotated[int, Field(strict=True)]] | None = Field(None, min_length=2, max_length=8)
    reshape: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _check(self) -> SourceName:
        if (self.name is None) == (self.join is None):
            raise refuse_rule("needs either `name` or `join`")
        if self.join is not None and len(self.join) < 2:
            raise refuse_rule("`join` should have at least two names")
        if self.rows is not None and (not isinstance(self.rows, list) or len(self.rows) not in (2, 3)):
            raise refuse_rule("`rows` should be [start, stop] or [start, stop, step]")
        if self.rows is None and "parts" in self.model_fields_set:
            raise refuse_rule("`parts` are those whose `rows` are taken, which are not given")
        if self.permute is not None and sorted(self.permute) != list(range(len(self.permute))):
            raise refuse_rule("`permute` should have each axis from 0 once")
        return self

    def find_origin(self, rest: str, *scopes: Mapping[str, Any]) -> WeightOrigin:
        """Find the tensors that it stands for, with `rest` behind their names. Raises ExpressionError, as what finds
        the rows of the origin does."""
        templates = self.join if self.name is None else [self.name]
        names = tuple(template.write(*scopes) + rest for template in templates or ())
        parts = _evaluate(self.parts, *scopes)
        if not isinstance(parts, int) or isinstance(parts, bool) or not 1 <= parts <= MAX_PARTS:
            raise ExpressionError(f"`parts` should be a whole number from 1 to {MAX_PARTS}, found {parts}")

        def find_rows(count: int) -> RowRange:
            found = _evaluate(self.rows, {ROWS: count}, *scopes)
            if not all(isinstance(value, int) and not isinstance(value, bool) for value in found):
                raise ExpressionError(f"`rows` should be whole numbers, found {', '.join(map(str, found))}")
            start, stop, step = (*found, 1)[:3]
            return start, stop, step

        cut = None if self.rows is None else find_rows
        return WeightOrigin(names, self.reshape, tuple(self.permute or ()), cut, parts)


class RuleSet(BaseModel):
    """The names of some specs' weights in some sources."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    specs: list[_Word] = Field(min_length=1)
    sources: list[_Word] = Field(min_length=1)
    let: dict[Annotated[str, PlainValidator(_read_variable)], Annotated[Any, PlainValidator(_read_value)]] = Field(
        default_factory=dict
    )
    names: dict[
        Annotated[NamePattern, PlainValidator(NamePattern.parse)],
        Annotated[SourceName, BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value)],
    ] = Field(min_length=1)
    leaves: list[_Left] = Field(default_factory=list, max_length=MAX_LENGTH)


class RuleFile(BaseModel):
    """A file of rules, version 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight_rules: Literal[1]
    rules: list[RuleSet] = Field(min_length=1)


@dataclass(frozen=True)
class NameRules:
    """The rules of one file for one spec and some sources, with what its expressions may speak of."""

    file: str
    sources: tuple[str, ...]
    params: Mapping[str, Any]
    let: Mapping[str, Any]
    rules: tuple[tuple[NamePattern, SourceName, Place], ...]
    leaves: tuple[str, ...] = ()
    """The names of theirs that the spec has nothing of: how they begin, or with `*` and `**`, whole."""

    def leaves_out(self, name: str) -> bool:
        """Tell whether a tensor of theirs is one that the spec has nothing of."""
        return any(_is_left(entry, name) for entry in self.leaves)

    def translate(self, name: str) -> WeightOrigin | None:
        """Find where a weight of ours comes from; None where no rule fits.

        Raises SpecError where an expression has no value.
        """
        layer, _, leaf = name.rpartition(".")
        for pattern, target, place in self.rules:
            for subject, rest in ((name, ""), (layer, f".{leaf}")):
                numbers = pattern.match(subject)
                if numbers is None:
                    continue
                with self._locating(name, place):
                    origin = target.find_origin(rest, numbers, self.let, self.params)
                return replace(origin, find_rows=self._place_rows(origin, name, place))
        return None

    def _place_rows(self, origin: WeightOrigin, name: str, place: Place) -> Callable[[int], RowRange] | None:
        """Place the mistakes of what finds the rows of an origin."""

        def find_rows(count: int) -> RowRange:
            assert origin.find_rows is not None
            with self._locating(name, place):
                return origin.find_rows(count)

        return None if origin.find_rows is None else find_rows

    @staticmethod
    @contextmanager
    def _locating(name: str, place: Place) -> Iterator[None]:
        """Raise the mistake of an expression as one at its place."""
        try:
            yield
        except ExpressionError as error:
            raise SpecError([Diagnostic(error.code, f"for {name}: {error}", place)]) from error


def find_rules(spec: str | Path, params: Mapping[str, Any]) -> list[NameRules]:
    """Find the rules that serve a spec, given as a file or a zoo name: of files `*.weights.yaml` beside it that name
    it, or where it extends another spec and has none, beside that one; none where nobody wrote any."""
    for path, files in find_rule_files(spec):
        found = [rules for file in files for rules in read_rules(file, path.stem, params)]
        if found:
            return found
    return []


def read_rules(path: Path, spec: str, params: Mapping[str, Any]) -> list[NameRules]:
    """Read the rules of one file that serve a spec of this name. Raises SpecError with the places of what is wrong."""
    file = shown(path)
    marked = read_file(path, file)
    mistakes = Mistakes(marked.mistakes)
    if not isinstance(marked.data, Table):
        raise SpecError(
            [Diagnostic("wrong-type", "rules are a mapping with `weight_rules: 1` and `rules`", Place(file, 1))]
        )
    try:
        document = RuleFile.model_validate(marked.data)
    except ValidationError as error:
        report_invalid(error, RuleFile, "rules for weights", marked.data, marked.data.at, marked.data.at, mistakes)
        raise SpecError(mistakes) from None
    if mistakes:
        raise SpecError(mistakes)
    return [
        _bind(rules, ("rules", number), marked.data, file, params)
        for number, rules in enumerate(document.rules)
        if spec in rules.specs
    ]


def _bind(rules: RuleSet, path: tuple[Any, ...], written: Table, file: str, params: Mapping[str, Any]) -> NameRules:
    let: dict[str, Any] = {}
    for name, value in rules.let.items():
        try:
            let[name] = _evaluate(value, let, params)
        except ExpressionError as error:
            place = place_in(written, (*path, "let", name), written.at)
            raise SpecError([Diagnostic(error.code, str(error), place)]) from error
    placed = tuple(
        (pattern, target, place_in(written, (*path, "names", pattern.text), written.at))
        for pattern, target in rules.names.items()
    )
    return NameRules(file, tuple(rules.sources), params, let, placed, tuple(rules.leaves))


def _is_left(entry: str, name: str) -> bool:
    if "*" not in entry:
        return name == entry or name.startswith(f"{entry}.")
    pieces = {"**": ".*", "*": "[^.]*"}
    return (
        re.fullmatch("".join(pieces.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*)", entry)), name)
        is not None
    )


def _evaluate(value: Any, *scopes: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_evaluate(item, *scopes) for item in value]
    return value(lookup_of(*scopes)) if isinstance(value, Expression) else value
