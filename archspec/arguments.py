"""What the functions of the Python API are given, by the names of their parameters: each is what its name says, or
InputError says what it is instead, before anything is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from archspec.errors import ArchspecError, InputError, suggest, tell_value
from archspec.files import check_name
from archspec.spec.load import Spec
from compiler.graph import Graph
from compiler.onnx_file.metadata import check_metadata

BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
P = ParamSpec("P")
T = TypeVar("T")


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """The function, with arguments that are what the names of its parameters say, or the default. Keywords that a
    function takes without naming them (`**`) are None by default."""
    parameters = signature(function).parameters
    names = [name for name, parameter in parameters.items() if parameter.kind in BY_POSITION]
    named = {name: parameter.default for name, parameter in parameters.items()}
    takes_others = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())

    def take(name: str, value: Any) -> Any:
        known = name in TAKERS and (name in named or takes_others)
        if not known or value is named.get(name):
            return value
        return TAKERS[name](value, f"{function.__name__}: `{name}`")

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        given: Any = [*map(take, names, args), *args[len(names) :]]
        keywords: Any = {name: take(name, value) for name, value in kwargs.items()}
        return function(*given, **keywords)

    return call


def take_keywords(kind: type[T], function: str, given: Mapping[str, Any]) -> T:
    """An object of a dataclass, of the keywords that a function was given; a field of which nothing, or None, is said
    has its default. Raises TypeError, as Python does, where there is no such field, or one without a default is not
    given."""
    known: Any = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise TypeError(f"{function}() got an unexpected keyword argument '{name}'{suggest(name, known)}")
    said = {name: value for name, value in given.items() if value is not None}
    missing = [name for name, field in known.items() if name not in said and _has_no_default(field)]
    if missing:
        raise TypeError(f"{function}() misses the keyword argument '{missing[0]}'")
    return kind(**said)


def _has_no_default(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _take_graph(value: Any, what: str) -> Graph:
    """Raises InputError where it is none, with what makes one of it."""
    if isinstance(value, Graph):
        return value
    advice = ""
    if isinstance(value, Spec):
        advice = "; archspec.elaborate(spec) makes one of it"
    elif isinstance(value, str | Path):
        advice = "; archspec.elaborate(archspec.load(…)) makes one of a file, or of a name in the zoo"
    raise InputError(f"{what} is a graph, found {tell_value(value)}{advice}")


def _take_spec(value: Any, what: str) -> Spec:
    if isinstance(value, Spec):
        return value
    advice = "; archspec.load(…) reads a file, or a name in the zoo" if isinstance(value, str | Path) else ""
    raise InputError(f"{what} is a spec, found {tell_value(value)}{advice}")


def _take_path(value: Any, what: str) -> Any:
    try:
        name = os.fspath(value)
    except TypeError:
        name = None
    if not isinstance(name, str):
        raise InputError(f"{what} is the name of a file, found {tell_value(value)}")
    try:
        check_name(name)
    except ArchspecError as error:
        raise InputError(f"{what}: {error}") from error
    return value


def _take_mapping(value: Any, what: str) -> Any:
    """Values by name, with numpy's numbers as Python's."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InputError(f"{what} are values by name, found {tell_value(value)}")
    return {name: item.item() if _is_scalar(item) else item for name, item in value.items()}


def _take_text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{what} is a name, found {tell_value(value)}")
    return value


def _take_original(value: Any, what: str) -> tuple[Graph, Any]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise InputError(f"{what} is a graph and its weights, found {tell_value(value)}")
    return _take_graph(value[0], f"the first of {what}"), value[1]


def _take_options(value: Any, what: str) -> Any:
    from compiler.onnx_target.options import ExportOptions

    if not isinstance(value, ExportOptions):
        raise InputError(f"{what} are compiler.onnx_target.options.ExportOptions(…), found {tell_value(value)}")
    return value


def _take_calibration(value: Any, what: str) -> Any:
    from runtime.export.plan import Calibration

    if not isinstance(value, Calibration):
        raise InputError(f"{what} is runtime.export.plan.Calibration(…), found {tell_value(value)}")
    return value


def _take_conversion(value: Any, what: str) -> Any:
    from runtime.weights.convert import Conversion

    if not isinstance(value, Conversion):
        raise InputError(f"{what} is what archspec.match_weights(…) found, not {tell_value(value)}")
    return value


TAKERS: Mapping[str, Callable[[Any, str], Any]] = {
    "graph": _take_graph,
    "spec": _take_spec,
    **dict.fromkeys(("path", "source", "folder"), _take_path),
    **dict.fromkeys(("params", "sizes"), _take_mapping),
    "data": _take_text,
    "batches": lambda value, what: tuple(value),
    "original": _take_original,
    "options": _take_options,
    "calibration": _take_calibration,
    "conversion": _take_conversion,
    "metadata": lambda value, what: check_metadata(value),
}
"""How an argument is taken, by the name of its parameter: as it should be, or with InputError."""


def _is_scalar(value: Any) -> bool:
    """Whether it is one of numpy's numbers."""
    return type(value).__module__ == "numpy" and hasattr(value, "item") and not hasattr(value, "__len__")
