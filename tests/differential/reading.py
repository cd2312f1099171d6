"""Documents and nodes as data: what is taken over from others, and what may be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from tests.differential import layers
from tests.differential.attending import FIELDS as FIELDS_OF_ATTEND
from tests.differential.deforming import FIELDS as FIELDS_OF_DEFORM_CONV
from tests.differential.layers import require

Document: TypeAlias = dict[str, Any]
Body: TypeAlias = list[Any]

MERGES = ("add", "sub", "concat", "mul", "div", "max", "min", "shake")
STRUCTURE = {
    "residual": None,
    "dense": None,
    "encoder_decoder": None,
    "repeat": None,
    "when": None,
    "attend": None,
    "deform_conv": None,
    **dict.fromkeys(("tap", "from", "output"), "label"),
    **dict.fromkeys(MERGES, "branches"),
    **dict.fromkeys(("resize", "map", "max_unpool"), "like"),
    "split": "taps",
}
"""The structure nodes, with their main fields."""
STRUCTURE_FIELDS: dict[str, dict[str, Any]] = {
    "residual": {"scale": None, "survival": None, "scaling": "none", "decay": "constant", "drop": None},
    **{word: {"fit": "error"} for word in ("add", "sub", "concat", "mul", "div", "max", "min")},
    "attend": FIELDS_OF_ATTEND,
    "deform_conv": FIELDS_OF_DEFORM_CONV,
    "map": {},
    "max_unpool": {},
    "split": {"sizes": None, "axis": 0},
    "shake": {"fit": "error", "draw": "sample"},
    "encoder_decoder": {"merge": "concat", "order": "skip_first", "fit": "error"},
    "concat": {"fit": "error", "axis": 0},
    "resize": {"mode": "nearest", "corners": "half"},
}
"""The fields of structure nodes that `defaults` may set, with what holds where nothing does."""

NORM_KINDS = {
    "batch": "batch_norm",
    "ghost_batch": "ghost_batch_norm",
    "batch_renorm": "batch_renorm",
    "layer": "layer_norm",
    "group": "group_norm",
    "instance": "instance_norm",
    "rms": "rms_norm",
}
NORM_FIELDS = {name: taken for kind in layers.NORMS for name, taken in layers.FIELDS[kind].items()}
ACTIVATION_FIELDS = {name: taken for kind in layers.ACTIVATIONS for name, taken in layers.FIELDS[kind].items()}


def check_literals(data: Any) -> None:
    """What is written as a number or a truth value must fit its field, also where the network never comes."""
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, part in parts:
        given = part if isinstance(part, dict) else {layers.MAIN.get(str(key)): part}
        choices = {"norm": NORM_FIELDS, "activation": ACTIVATION_FIELDS}
        known = choices[key] if key in choices else layers.FIELDS.get(str(key), {})
        for name, declared in known.items():
            if name in given and not isinstance(given[name], str):
                declared.take(given[name])
        check_literals(part)


def resolve(document: Document, files: Mapping[str, Document]) -> Document:
    """A variant with what it takes over."""
    if "extends" not in document:
        return document
    base = resolve(files[document["extends"]], files)
    params = {**base.get("params", {}), **document.get("params", {})}
    sizes = {**base.get("sizes", {}), **document.get("sizes", {})}
    return {**base, "params": params, "sizes": sizes, "defaults": lay_over(base, document)}


def lay_over(base: Document, own: Document) -> Document:
    """The defaults of one document, and where they say nothing those of another."""
    under, over = base.get("defaults", {}), own.get("defaults", {})
    return {kind: overlay(under.get(kind, {}), over.get(kind, {})) for kind in {**under, **over}}


def overlay(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Field by field; another kind of normalization leaves nothing of the first one's fields."""
    if over.get("kind", under.get("kind")) != under.get("kind"):
        return dict(over)
    return {**under, **over}


def reads(body: Any, label: str) -> bool:
    """Tell whether a body reads a tap of this name, at any depth."""
    if isinstance(body, list):
        return any(reads(part, label) for part in body)
    return isinstance(body, dict) and any(
        (key in ("from", "like", "value") and part == label) or reads(part, label) for key, part in body.items()
    )


def is_letter(entry: Any) -> bool:
    return isinstance(entry, str) and len(entry) == 1 and entry.isupper()


def read_node(node: Any, bodies: Mapping[str, Any], blocks: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A node's word and its fields by name."""
    if isinstance(node, str):
        return node, {}
    ((word, given),) = node.items()
    main = "kind" if word in ("norm", "activation") else layers.MAIN.get(word) or STRUCTURE.get(word)
    if given is None:
        return word, {}
    if isinstance(given, dict):
        return word, dict(given)
    require(main is not None, f"{word} has no main field")
    return word, {str(main): given}
