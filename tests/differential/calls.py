"""Calls of blocks, and of bodies that were handed to one, by docs/language.md alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.differential.around import Around, Handed
from tests.differential.expressions import evaluate, expand, take_argument
from tests.differential.layers import require

if TYPE_CHECKING:
    from tests.differential.interpreter import Interpreter


def call_block(walk: Interpreter, word: str, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
    if word in around.bodies:
        handed = around.bodies[word]
        here = replace(handed.around, path=around.inside(name).path, fixup=around.fixup)
        return walk.run_body(handed.body, value, here)
    block, defaults = walk.blocks[word]
    names, handed_values, bodies = _take_arguments(walk, word, fields, value, around)
    inside = Around(names, handed_values, around.inside(name).path, bodies, defaults, around.fixup)
    for key, written in block.get("let", {}).items():
        names[key] = evaluate(written, walk.names(inside, value))
    result = walk.run_body(block["body"], value, replace(inside, names=names))
    given = block.get("gives", {})
    for key, label in (given if isinstance(given, dict) else dict(zip(given, given, strict=True))).items():
        wanted = expand(label, names)
        require(wanted in inside.taps, f"{word} taps no {wanted}")
        around.taps[f"{name}.{key}"] = inside.taps[wanted]
    return result


def _take_arguments(
    walk: Interpreter, word: str, fields: Mapping[str, Any], value: str, around: Around
) -> tuple[dict[str, Any], dict[str, str], dict[str, Handed]]:
    """The names, the values and the bodies that a call gives its block."""
    names = dict(walk.params)
    values: dict[str, str] = {}
    bodies: dict[str, Handed] = {}
    arguments = walk.blocks[word][0].get("args", {})
    require(set(fields) <= set(arguments), f"{word} has no {set(fields) - set(arguments)}")
    for key, declared in arguments.items():
        kind, _, default = (part.strip() for part in declared.partition("="))
        require(key in fields or bool(default), f"{word} needs {key}")
        if kind == "block":
            written = fields.get(key, "none")
            bodies[key] = Handed([] if written in ("none", None) else written, around)
        elif kind == "value":
            label = expand(fields[key], walk.names(around, value))
            require(label in around.taps, f"unknown tap {label}")
            values[key] = around.taps[label]
        else:
            seen = walk.names(around, value) if key in fields else {**names, "in_channels": walk.shape(value)[0]}
            names[key] = take_argument(kind, evaluate(fields.get(key, default), seen))
    return names, values, bodies
