"""A network as written, in one piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from pydantic_core import PydanticCustomError

from archspec.errors import Diagnostic, Place, SpecError
from archspec.ops import Op
from archspec.spec.blocks import Block
from archspec.spec.comments import Comment
from archspec.spec.definitions import Definition, Definitions, check_value
from archspec.spec.inputs import InputShape
from archspec.spec.marked import Table, place_in
from archspec.spec.params import explain_mismatch


@dataclass(frozen=True)
class Spec:
    """A network as written, in one piece: what a caller may still change has been set, and every block is here.

    >>> archspec.load("residual_mlp").inputs["x"]
    (100,)
    """

    name: str
    description: str
    source: str
    """The name of who published the network, in short."""
    file: str
    params: Mapping[str, Any]
    """The values that a caller may set."""
    let: Mapping[str, Any]
    """The values of the names that follow from the params."""
    definitions: Definitions
    """How params and `let` are written, where their expressions have no values yet."""
    inputs: Mapping[str, InputShape]
    inputs_written: Any
    sizes: Mapping[str, int]
    defaults: Mapping[str, Mapping[str, Any]]
    blocks: Mapping[str, Block]
    network: tuple[Any, ...]
    expect: tuple[tuple[str, Place], ...]
    """Conditions on its analysis, each with its place; none where a caller chose other params."""
    written: Table
    """The marked data of the document that holds the network."""
    mistakes: tuple[Diagnostic, ...] = ()
    comments: tuple[Comment, ...] = ()
    """The comments in its files that say something to the program."""
    extensions: Mapping[str, type[Op]] = field(default_factory=dict)
    """The operations that the caller allows its `ext` nodes, by name."""

    @cached_property
    def names(self) -> Mapping[str, Any]:
        """The values of all names that hold in the whole spec."""
        return MappingProxyType({**self.params, **self.let})

    @property
    def letters(self) -> frozenset[str]:
        """The dynamic sizes of the inputs."""
        return frozenset(entry for shape in self.inputs.values() for entry in shape if isinstance(entry, str))

    def place_of(self, *path: Any, key: bool = False) -> Place:
        """The place of a part of the document that holds the network, or with `key` of its name."""
        return place_in(self.written, path, self.written.at, key=key)

    def with_params(self, params: Mapping[str, Any]) -> Spec:
        """Make the spec with other values of some params. Raises SpecError where what follows from them has none."""
        place = Place(self.file)
        changed = {name: Definition(value, value, place) for name, value in params.items()}
        definitions = self.definitions.with_params(changed)
        values, let = definitions.evaluate()
        return replace(self, params=values, let=let, definitions=definitions, expect=())

    def to_data(self) -> dict[str, Any]:
        """Write the network as one document without `extends` or `import`, as plain data."""
        data = {"archspec": 1, "name": self.name, "description": self.description, "source": self.source}
        data |= {"params": {name: item.written for name, item in self.definitions.params.items()}}
        data |= {"let": {name: item.written for name, item in self.definitions.let.items()}}
        data |= {"inputs": self.inputs_written, "sizes": dict(self.sizes), "defaults": self.written.get("defaults")}
        data |= {"blocks": {name: _write_block(block) for name, block in self.blocks.items()}}
        data |= {"network": self.written["network"], "expect": [text for text, _ in self.expect]}
        plain: dict[str, Any] = _plain({key: value for key, value in data.items() if value not in (None, "", {}, [])})
        return plain


def set_params(spec: Spec, given: Mapping[str, Any]) -> Spec:
    """Set params of a spec as a caller wishes; what cannot be set is among its mistakes."""
    mistakes = list(spec.mistakes)
    params: dict[str, Any] = {}
    for name, value in given.items():
        place = Place(f"param {name}")
        try:
            value = check_value(value)
            problem = explain_mismatch(name, value, spec.params, "params")
        except PydanticCustomError as error:
            problem = f"`{name}` {error.message()}"
        if problem:
            code = "bad-param" if name in spec.params else "unknown-param"
            mistakes.append(Diagnostic(code, problem, place))
        else:
            params[name] = value
    try:
        changed = spec.with_params(params) if params else spec
    except SpecError as error:
        raise SpecError([*mistakes, *error.diagnostics]) from None
    return replace(changed, mistakes=tuple(mistakes))


def _write_block(block: Block) -> Mapping[str, Any]:
    """The block as written, a network with the document that it names; what describes it is for those who read its
    library, as comments are."""
    written = {key: value for key, value in block.written.items() if key != "description"}
    return written if block.spec is None else {**written, "network": block.spec.to_data()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
