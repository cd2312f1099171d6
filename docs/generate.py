"""Writes what is derived: what the documentation says of every layer, docs/ops.md, the editors' schemas,
archspec/schema.json and archspec/recipe_schema.json, the page of recipes, docs/training/recipes.md, that of the bounds,
docs/limits.md, that of what can be said, docs/coverage.md, and that of the zoo with its pictures, docs/zoo.md and
docs/zoo/.

`python docs/generate.py` writes the files, a test compares them.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from archspec.bounds import MAX_WHOLE  # noqa: E402
from archspec.ops import LAYERS, OPS, Layer, Op, Shape, Weight  # noqa: E402  (found by the line above)
from archspec.ops.base import Pointwise  # noqa: E402
from archspec.spec.schema import json_schema  # noqa: E402
from archspec.wording import write_shape  # noqa: E402
from docs import coverage_page, how_to_say, limits, recipes_page, zoo_page  # noqa: E402
from runtime.recipes.schema import recipe_schema  # noqa: E402

EXAMPLE_SHAPES = (Shape(32, 8, 8), Shape(32), Shape(32, 8), Shape(1, 8))
EXAMPLE_OUT = 64
"""The values that the examples give to fields that have no default."""
EXAMPLE_FIELDS: dict[str, dict[str, Any]] = {
    "roll": {"shift": 2},
    "clip": {"low": 0.0, "high": 1.0},
    "shuffle_channels": {"groups": 4},
    "learned": {"shape": [32, 1]},
    "embedding": {"rows": 1000},
    "adaptive_avg_pool": {"size": 4},
    "adaptive_max_pool": {"size": 4},
}
"""The fields of examples that the value above does not fit, and those of which a layer needs some."""

MACS = {
    "channel_conv": "in_channels * kernel",
    "conv": "out_elements * in_channels // groups * kernel**rank",
    "conv_transpose": "in_elements * out // groups * kernel**rank",
    "linear": "in_channels * out",
    "lstm": "out_elements * 4 * (in_channels + out)",
    "gru": "out_elements * 3 * (in_channels + out)",
}
"""Formulas to read. `read_macs` holds each against its operation's own count, and refuses an operation without one."""

FAMILIES = {
    "Layers with a kernel": "kernel",
    "Normalizations": "norm",
    "Activations": "activation",
    "Pooling, resizing and reshaping": "resize",
    "Scaling and regularization": "chance",
    "Values that are learned": "input",
}

HEAD = """\
# The layers

<!-- Written by docs/generate.py from the classes in archspec/ops; `make docs` writes it anew. -->

Each layer is a word of [the language](language.md), and one class in [archspec/ops](../archspec/ops). Shapes
are written channels first and without the batch; (C, \\*S) has C channels and any number of spatial axes. A
field without a default is needed, here or in the spec's `defaults`. *Main* is the field that may be given
alone: `conv: 64` is `conv: {out: 64}`. A number or a boolean may also be an expression.

Weights are listed with their shapes in the example, how they start, and whether they are a buffer, which is
kept with the weights and not trained. Multiply-accumulates (MACs) are those with weights of convolutions and
linear layers, for one sample, without the bias. A layer of which nothing is said has no weights and no MACs.
Every layer takes `name` too.
"""

TAIL = """\
## Operations that structure nodes make

These are no layers: the structure nodes of [the language](language.md#a-body) put them into the graph.

"""


def write_ops() -> str:
    """The text of docs/ops.md."""
    parts = [HEAD]
    listed = {title: [op for op in LAYERS.values() if op.family == family] for title, family in FAMILIES.items()}
    assert {op for ops in listed.values() for op in ops} == set(LAYERS.values()), "a layer belongs to no family"
    parts += ["".join(f"- {title}: {_links(ops)}\n" for title, ops in listed.items())]
    for title, ops in listed.items():
        parts += [f"## {title}\n", *map(describe, ops)]
    others = [op for op in OPS if op.kind not in LAYERS]
    rows = "".join(f"| `{op.kind}` | {_first_paragraph(op)} |\n" for op in others)
    return "\n".join(parts) + f"\n{TAIL}| operation | what it does |\n|---|---|\n{rows}"


def write_schema() -> str:
    """The text of archspec/schema.json, as `archspec schema` prints it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def write_recipe_schema() -> str:
    """The text of archspec/recipe_schema.json, as `archspec schema --recipe` prints it."""
    return json.dumps(recipe_schema(), indent=2, ensure_ascii=False) + "\n"


FILES: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "ops.md": write_ops,
    ROOT / "archspec" / "schema.json": write_schema,
    ROOT / "archspec" / "recipe_schema.json": write_recipe_schema,
    ROOT / "docs" / "training" / "recipes.md": recipes_page.write_page,
    ROOT / "docs" / "limits.md": limits.write_limits,
    ROOT / "docs" / "coverage.md": coverage_page.write_page,
    ROOT / "docs" / "how-to-say.md": how_to_say.write_page,
    ROOT / "docs" / "zoo.md": zoo_page.write_page,
    **{path: partial(zoo_page.draw_family, family) for path, family in zoo_page.picture_files().items()},
}


def describe(op: type[Layer]) -> str:
    """The section of one layer."""
    lines = [f"### {op.kind}\n", " ".join([_first_paragraph(op), *_family_rules(op)]) + "\n"]
    if op.__doc__ and "\n\n" in inspect.cleandoc(op.__doc__):
        rest = inspect.cleandoc(op.__doc__).split("\n\n", 1)[1]
        lines.append(_one_line(rest) + "\n")
    if op.model_fields:
        properties = op.model_json_schema()["properties"]
        lines += ["| field | meaning | takes | default |", "|---|---|---|---|"]
        for name, schema in properties.items():
            main = " (main)" if name == op.main else ""
            default = f"`{_as_written(schema['default'])}`" if "default" in schema else "needed"
            lines.append(f"| `{name}`{main} | {schema['description']} | {_takes(schema)} | {default} |")
        lines.append("")
    example, x = find_example(op)
    lines.append(f"`{_spelled(example)}` on {x} gives {example.infer(x)}.")
    return "\n".join([*lines, *_weights_sentence(example, x), *_macs_sentence(example, x)]) + "\n"


def find_example(op: type[Layer]) -> tuple[Layer, Shape]:
    """The layer with as few fields as it needs, and the first example shape that it takes."""
    fields = {name: EXAMPLE_OUT for name, info in op.model_fields.items() if info.is_required()}
    example = op(**{**fields, **EXAMPLE_FIELDS.get(op.kind, {})})
    for x in EXAMPLE_SHAPES:
        try:
            example.infer(x)
        except ValueError:
            continue
        return example, x
    raise ValueError(f"no example shape fits {op.kind}")


def read_macs(op: Layer, x: Shape) -> str | None:
    """The formula of an operation's multiply-accumulates, or None where it has none."""
    formula = MACS.get(op.kind)
    names = {"in_channels": x.channels, "in_elements": x.elements, "out_elements": op.infer(x).elements, "rank": x.rank}
    count = eval(formula, {}, {**names, **dict(op)}) if formula else 0
    if count != op.macs(x):
        raise ValueError(f"the formula of {op.kind} in MACS gives {count}, the operation {op.macs(x)}")
    return formula


def _macs_sentence(op: Layer, x: Shape) -> list[str]:
    formula = read_macs(op, x)
    return [f"MACs: `{formula}`; in the example {op.macs(x):,}."] if formula else []


def _weights_sentence(op: Layer, x: Shape) -> list[str]:
    """The weights of the example, and what its boolean fields change in them."""
    weights = op.weights(x)
    changes = []
    for name, value in op:
        if isinstance(value, bool):
            other = op.model_copy(update={name: not value}).weights(x)
            added = {key: weight for key, weight in other.items() if key not in weights}
            removed = " and ".join(f"`{key}`" for key in weights if key not in other)
            change = f"adds {_list_weights(added)}" if added else f"leaves out {removed}" if removed else ""
            changes += [f"`{name}: {json.dumps(not value)}` {change}."] if change else []
    start = f"Weights: {_list_weights(weights)}." if weights else "No weights."
    return [" ".join([start, *changes])] if weights or changes else []


def _list_weights(weights: dict[str, Weight]) -> str:
    return ", ".join(
        f"`{name}` {write_shape(weight.shape, 'one number')} ({_start(weight)}{', a buffer' if weight.buffer else ''})"
        for name, weight in weights.items()
    )


def _start(weight: Weight) -> str:
    if not isinstance(weight.init, float):
        return f"`{weight.init}`"
    return f"normal around {weight.init:g}, deviation {weight.std:g}" if weight.std else f"starts at {weight.init:g}"


def _takes(schema: dict[str, Any]) -> str:
    """A field's JSON Schema in words."""
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "array"]
        lists = ["a list of such, one for each axis"] if len(options) < len(schema["anyOf"]) else []
        return " or ".join([*map(_takes, options), *lists])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if schema["type"] == "array":
        return f"a list of {_takes(schema['items']).removeprefix('a ').replace('number', 'numbers', 1)}"
    if schema["type"] == "null":
        return "`null`"
    if schema["type"] == "boolean":
        return "true or false"
    noun = "a whole number" if schema["type"] == "integer" else "a number"
    bounds = [f"from {schema['minimum']:g}"] if schema.get("minimum", -MAX_WHOLE) != -MAX_WHOLE else []
    above = schema.get("exclusiveMinimum", schema.get("gt"))  # pydantic leaves `gt` as it is behind a validator
    bounds += [f"above {above:g}"] if above is not None else []
    bounds += [f"to {schema['maximum']:g}"] if schema.get("maximum", MAX_WHOLE) != MAX_WHOLE else []
    return " ".join([noun, *bounds])


def _as_written(value: Any) -> str:
    """A value as a spec has it."""
    return value if isinstance(value, str) else json.dumps(value, default=list)


def _spelled(op: Layer) -> str:
    given = {name: getattr(op, name) for name, info in type(op).model_fields.items() if info.is_required()}
    if not given:
        return op.kind
    if list(given) == [op.main]:
        return f"{op.kind}: {_as_written(next(iter(given.values())))}"
    return f"{op.kind}: {{{', '.join(f'{name}: {_as_written(value)}' for name, value in given.items())}}}"


def _family_rules(op: type[Layer]) -> list[str]:
    """List what the abstract families of an operation say for all their members."""
    families = [base for base in op.__mro__[1:] if issubclass(base, Layer) and base not in (Layer, Pointwise)]
    return [_first_paragraph(family) for family in families]


def _first_paragraph(op: type[Op]) -> str:
    return _one_line(inspect.cleandoc(op.__doc__ or "").split("\n\n")[0])


def _one_line(text: str) -> str:
    """Plain text on one line of Markdown."""
    return re.sub(r"\s+", " ", text).replace("|", r"\|").replace("*", r"\*")


def _links(ops: list[type[Layer]]) -> str:
    return ", ".join(f"[{op.kind}](#{op.kind})" for op in ops)


def main() -> None:
    for path, write in FILES.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(write(), encoding="utf-8", newline="\n")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
