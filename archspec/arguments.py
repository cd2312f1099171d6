"""Checks of what the functions of the Python API are given, by the names of their parameters: each is what its name
says, or InputError says what it is instead, before anything is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from functools import wraps
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from archspec.errors import ArchspecError, InputError, suggest, tell_value
from archspec.files import check_name
from archspec.spec.spec import Spec
from compiler.graph import Graph
from compiler.onnx_file.metadata import check_metadata

BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
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


def takes_keywords_of(place: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator for a function whose other keywords (`**`) are those of the TypedDict in this place. The
    function raises TypeError for a keyword that is none, and names it before what is missing, as Python does."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        own = [name for name, parameter in signature(function).parameters.items() if parameter.kind in BY_NAME]

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            others = [name for name in kwargs if name not in own]
            known = [*own, *_find_class(place).__annotations__] if others else []
            for name in others:
                if name not in known:
                    problem = f"got an unexpected keyword argument '{name}'{suggest(name, known)}"
                    raise TypeError(f"{function.__name__}() {problem}")
            return function(*args, **kwargs)

        return call

    return decorate


def take_keywords(kind: type[T], function: str, given: Mapping[str, Any]) -> T:
    """An object of a dataclass, of the keywords that a function was given, which are fields of it; a field of which
    nothing, or None, is said has its default. Raises TypeError where one without a default is not given."""
    known: Any = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    said = {name: value for name, value in given.items() if value is not None}
    missing = [name for name, field in known.items() if name not in said and _has_no_default(field)]
    if missing:
        raise TypeError(f"{function}() misses the keyword argument '{missing[0]}'")
    return kind(**said)


def _find_class(place: str) -> Any:
    """The class in a place, `module.class`."""
    module, _, name = place.rpartition(".")
    return getattr(import_module(module), name)


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


def _take_network(value: Any, what: str) -> Any:
    if isinstance(value, Spec | Graph):
        return value
    advice = "; archspec.load(…) reads a file, or a name in the zoo" if isinstance(value, str | Path) else ""
    raise InputError(f"{what} is a spec or a graph, found {tell_value(value)}{advice}")


def _take_data(value: Any, what: str) -> Any:
    if isinstance(value, str):
        return value
    if not isinstance(value, _find_class("runtime.data.dataset.Dataset")):
        raise InputError(f"{what} is a name, or archspec.Dataset(…), found {tell_value(value)}")
    return value


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


def _take_files(value: Any, what: str) -> Any:
    return [_take_path(file, f"{what}: each") for file in _take_several(value, what, "names of files")]


def _take_several(value: Any, what: str, of: str) -> Iterable[Any]:
    """Several values; a text is one."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise InputError(f"{what} are several {of}, found {tell_value(value)}")
    return value


def _take_mapping(value: Any, what: str) -> Any:
    """Take values by name, with numpy's numbers as Python's."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InputError(f"{what} are values by name, found {tell_value(value)}")
    return {name: item.item() if _is_scalar(item) else item for name, item in value.items()}


def _take_text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{what} is a name, found {tell_value(value)}")
    return value


def _take_texts(value: Any, what: str) -> list[str]:
    return [_take_text(text, f"{what}: each") for text in _take_several(value, what, "names")]


def _take_function(value: Any, what: str) -> Any:
    if not callable(value):
        raise InputError(f"{what} is a function, found {tell_value(value)}")
    return value


def _take_original(value: Any, what: str) -> tuple[Graph, Any]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise InputError(f"{what} is a graph and its weights, found {tell_value(value)}")
    return _take_graph(value[0], f"the first of {what}"), value[1]


def _take_made_by(place: str, verb: str = "is") -> Callable[[Any, str], Any]:
    """Take an object of the class in this place, which is imported when an object is given."""

    def take(value: Any, what: str) -> Any:
        if not isinstance(value, _find_class(place)):
            raise InputError(f"{what} {verb} {place}(…), found {tell_value(value)}")
        return value

    return take


def _take_natural(value: Any, what: str) -> int:
    return _take_whole(value, what, 0)


def _take_count(value: Any, what: str) -> int:
    return _take_whole(value, what, 1)


def _take_batches(value: Any, what: str) -> tuple[int, ...]:
    return tuple(_take_whole(batch, f"{what}: each", 1) for batch in _take_several(value, what, "whole numbers"))


def _take_whole(value: Any, what: str, least: int) -> int:
    """A whole number, numpy's too, from `least` on."""
    number = value.item() if _is_scalar(value) else value
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise InputError(f"{what} is a whole number from {least} on, found {tell_value(number)}")
    return number


def _take_number(value: Any, what: str) -> float:
    number = value.item() if _is_scalar(value) else value
    if not isinstance(number, int | float) or isinstance(number, bool):
        raise InputError(f"{what} is a number, found {tell_value(number)}")
    return number


def _take_conversion(value: Any, what: str) -> Any:
    from runtime.weights.convert import Conversion

    if not isinstance(value, Conversion):
        raise InputError(f"{what} is what archspec.match_weights(…) found, not {tell_value(value)}")
    return value


TAKERS: Mapping[str, Callable[[Any, str], Any]] = {
    "graph": _take_graph,
    "spec": _take_spec,
    "network": _take_network,
    **dict.fromkeys(("path", "source", "folder", "resume", "init"), _take_path),
    **dict.fromkeys(("params", "sizes"), _take_mapping),
    **dict.fromkeys(("wanted", "words", "reset"), _take_texts),
    **dict.fromkeys(("on_step", "on_check", "on_spec"), _take_function),
    "files": _take_files,
    "data": _take_data,
    **dict.fromkeys(("how", "what", "precision", "optimizer", "command", "device"), _take_text),
    "batches": _take_batches,
    "seed": _take_natural,
    **dict.fromkeys(("max_nodes", "passes", "batch", "monte_carlo", "mc_batch", "samples"), _take_count),
    **dict.fromkeys(("tolerance", "budget"), _take_number),
    "original": _take_original,
    "options": _take_made_by("compiler.onnx_target.options.ExportOptions", "are"),
    "calibration": _take_made_by("runtime.export.plan.Calibration"),
    "recipe": _take_made_by("runtime.recipes.recipe.Recipe"),
    "conversion": _take_conversion,
    "metadata": lambda value, what: check_metadata(value),
}
"""The functions that take an argument as it should be, or raise InputError, by the names of parameters."""


def _is_scalar(value: Any) -> bool:
    """Tell whether it is one of numpy's numbers."""
    return type(value).__module__ == "numpy" and hasattr(value, "item") and not hasattr(value, "__len__")
