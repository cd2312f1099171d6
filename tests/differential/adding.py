"""Residuals in random specs: what they add, how they are scaled, dropped and started."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.differential.expressions import evaluate
from tests.differential.layers import is_number, require
from tests.differential.reading import STRUCTURE_FIELDS

if TYPE_CHECKING:
    from tests.differential.around import Around
    from tests.differential.interpreter import Interpreter


def run_residual(walk: Interpreter, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
    walk.met += 1
    ordinal, inside = walk.met, around.inside(name)
    f = {**STRUCTURE_FIELDS["residual"], **walk.settings("residual", around), **fields}
    kernels: list[str] | None = [] if f["scaling"] == "fixup" else None
    result = walk.run_body(f["body"], value, replace(inside.inside("body"), fixup=kernels))
    if kernels is not None:
        start_as_fixup(walk, kernels)
    result = scale_body(walk, f["scaling"], result, inside)
    names = walk.names(around, value)
    if f["scale"] is not None:
        result = walk.put_written(
            "scale", {"value": evaluate(f["scale"], names)}, result, f"{inside.path}.scale", around
        )
    if f["survival"] is not None:
        result = drop(walk, f, ordinal, names, result, f"{inside.path}.survival", around)
    other = shortcut(walk, f, value, result, inside)
    total = walk.merge("add", [other, result], "error", None, inside.path)
    half = {"value": math.sqrt(1 / 2)}
    return walk.put_layer("scale", half, total, f"{inside.path}.sqrt_half") if f["scaling"] == "sqrt_half" else total


def start_as_fixup(walk: Interpreter, kernels: list[str]) -> None:
    """The last kernel of a body starts at zero, the others smaller."""
    for path in kernels:
        operation = walk.network.operations[path]
        m = len(kernels)
        start = (
            {"init": "zeros"}
            if path == kernels[-1]
            else {"gain": operation.fields["gain"] * walk.residuals ** (-1 / (2 * m - 2))}
        )
        walk.network.operations[path] = replace(operation, fields={**operation.fields, **start})


def scale_body(walk: Interpreter, scaling: str, result: str, inside: Around) -> str:
    if scaling == "skip_init":
        return walk.put_layer("scale", {"value": 0.0, "trainable": True}, result, f"{inside.path}.multiplier")
    if scaling == "fixup":
        result = walk.put_layer("scale", {"trainable": True}, result, f"{inside.path}.multiplier")
        return walk.put_layer("shift", {"trainable": True}, result, f"{inside.path}.bias")
    if scaling == "stable":
        return walk.put_layer("scale", {"value": 1 / math.sqrt(walk.residuals)}, result, f"{inside.path}.stable")
    return result


def drop(
    walk: Interpreter, f: dict[str, Any], ordinal: int, names: dict[str, Any], result: str, path: str, around: Around
) -> str:
    survival = evaluate(f["survival"], names)
    if f["decay"] == "linear":
        require(is_number(survival), "survival is no number")
        survival = 1 - ordinal / walk.residuals * (1 - survival)
    if f["drop"] == "shake":
        return walk.put_written("shake_drop", {"survival": survival}, result, path, around)
    given = {"survival": survival} | ({} if f["drop"] is None else {"draw": f["drop"]})
    return walk.put_written("stochastic_depth", given, result, path, around)


def shortcut(walk: Interpreter, f: dict[str, Any], value: str, result: str, inside: Around) -> str:
    channels = walk.shape(result)[0]
    if "shortcut" in f:
        return walk.run_body(f["shortcut"], value, inside.inside("shortcut", out_channels=channels))
    if "project" not in f:
        return value
    kept = walk.shape(value) == walk.shape(result)
    (walk.equal if kept else walk.changing).add(inside.path)
    if kept and inside.path not in walk.projected:
        return value
    return walk.run_body(f["project"], value, inside.inside("project", out_channels=channels))
