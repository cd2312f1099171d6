"""Writes docs/training/recipes.md: what a recipe is, and every key of every section, from the models that read them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

from archspec.bounds import MAX_WHOLE
from archspec.spec.zoo import RECIPES, zoo_recipes
from runtime.recipes.document import read_recipe
from runtime.recipes.recipe import Recipe
from runtime.recipes.schema import recipe_schema

HEAD = """\
# Recipes

<!-- Written by docs/recipes_page.py from the classes in runtime/recipes; `make docs` writes it anew. -->

A recipe says how a network is trained: data, optimizer, schedule, loss, and what else a training decides. It is a
file of its own, apart from the spec, so that one recipe trains many networks and a network is trained by many
recipes. All of its keys have defaults; what is not written is what `archspec show recipes/default` shows.

```yaml
recipe: 1                         # the version of the language of recipes
description: A residual network on small pictures.
epochs: 20
batch: 128
optimizer: {name: sgd, lr: 0.1, weight_decay: 5e-4}
schedule: {name: cosine, warmup: 0.1}
augment: {pad_crop: 4, flip: horizontal}
loss: {label_smoothing: 0.1}
ema: 0.999
```

A recipe is YAML or JSON under the rules of [specs](../language.md): no tags, no code, the same bounds. `archspec
schema --recipe` prints its JSON Schema for editors. Mistakes are told all at once, each with its file, line and
column, before anything is loaded or trained:

```yaml fails
recipe: 1
learning_rate: 0.1
optimizer: {name: adamv}
schedule: {name: step, milestones: [0.5, 0.25]}
```

```text messages
spec.yaml:2:1: error[unknown-field]: unknown key 'learning_rate' of a recipe; here it is `optimizer.lr`
spec.yaml:3:19: error[bad-value]: `optimizer.name` of a recipe should be 'sgd', 'adamw' or 'muon', found 'adamv'; \
did you mean 'adamw'?
spec.yaml:4:36: error[bad-value]: `schedule` of a recipe has the milestone 0.25 behind 0.5: let them grow
```

What sections say together, as `batch` and `accumulate` do, is looked at when each of them is right.

## Recipes of the zoo

They are files in [specs/recipes](../../specs/recipes), found by their names. Each says in its comments what its
source has, what is adapted, and what is ours.
"""

MIDDLE = """
```console
$ archspec list --recipes he2015
he2015  labels  64,000 steps  128  sgd 0.1  step
$ archspec show recipes/he2015 --set batch=64
steps: 64000
batch: 64
```

`archspec train resnet20 --recipe he2015 --data cifar10` trains by one; `--recipe` also takes a file. Without it a
training is what `default` says. The run's folder keeps the recipe whole, as `recipe.yaml`, which another training may
take.

## Changing single keys

`--set SECTION.KEY=VALUE` changes a key of the recipe, and `--set KEY=VALUE` one that stands in no section. Specs have
params of their own: a name without a dot is the spec's param where the spec has one of that name, and the recipe's
key else. A value is read as YAML is, and `null` is none.

Options with a name of their own, `--epochs`, `--batch` and `--lr` among them, come last.

- Mappings are merged: `optimizer={lr: 0.1}` leaves the momentum as it is.
- Another `optimizer.name` or `schedule.name` begins that section anew, since the keys of one do not fit another; the
  program says which ones it left out.
- `steps` takes the place of `epochs`, and `epochs` that of `steps`.

`extends: NAME` puts a recipe on another one, of the zoo or beside it, by the same rules:

```yaml
recipe: 1
extends: he2015
steps: 2000
optimizer: {lr: 0.05}
```

In Python a recipe is an object, and what is wrong is an `InputError` with the same words:

```python
>>> from runtime.recipes.recipe import Recipe
>>> from runtime.recipes.optimization import AdamW
>>> Recipe(epochs=5, optimizer=AdamW(lr=3e-4)).optimizer.weight_decay
0.05
>>> from runtime.recipes.document import RecipeDocument, read_recipe
>>> from runtime.recipes.overrides import apply_overrides
>>> read_recipe("he2015").steps
64000
>>> apply_overrides(RecipeDocument.read("he2015"), ["optimizer.lr=0.05", "steps=2000"]).check().optimizer.lr
0.05

```

## Keys

A key without a section stands in the recipe itself. A number of steps may be a share of all steps where that is said:
then a training of another length keeps the shape of its schedule. Numbers are finite; whole numbers have no point.

"""

NOTES = {
    "optimizer": """\
Weight decay reaches the kernels of convolutions and the matrices of linear and recurrent layers. Biases,
normalization, slopes and scales have none, and neither do tables: learned positions and class tokens, tables of
attention by distance, embeddings. That is timm's rule: one axis or none, or named by the network in
`no_weight_decay`. `decay_all: true` lets it reach everything, as older papers do.

`layer_decay` gives each layer the rate of the one behind it times this factor, as BEiT and timm do. A layer is a
residual block with the block call or the turn of a loop around it, a layer of a dense block, or a layer with a kernel
outside of these, with its normalization. Branches are as deep as their longest way from the input. ViT-B/16 has 14
layers so, ResNet-50 18, GoogLeNet 22. `head_lr` is the rate of the layers with a kernel behind which no other one
comes before an output; `layer_decay` leaves it as it is.

Muon steps the kernels and matrices of hidden layers: not those that read an input or give an output, not convolutions
in groups, not recurrent layers, not what is under weight normalization. torch's Muon takes matrices alone; a kernel
(out, in, …) is one with a row for each output channel (Jordan et al., 2024), a transposed one with a row for each
input channel. All else is stepped by AdamW at `adamw_lr`, with torch's usual betas; both follow the schedule. It
needs torch 2.9.
""",
    "schedule": """\
Step by step these are torch's CosineAnnealingLR, MultiStepLR (`step`), OneCycleLR, whose momentum stays as it is, and
PolynomialLR; `constant` is one rate throughout. A warm-up of w steps is a straight line from lr / (w + 1);
the schedule begins behind it, and milestones count from the first step. A share of steps is rounded. A warm-up or a
milestone that is written in steps and lies behind the end is refused.
""",
    "early_stopping": """\
Training that ends early, and weights of the best evaluation, need images of their own to judge by: `data.validation`,
or a part of that name in the data. The test images choose nothing.
""",
}


def write_page() -> str:
    """The text of docs/training/recipes.md."""
    schema = recipe_schema()
    parts = [HEAD, *_list_recipes(), MIDDLE, *_table(schema, schema["properties"])]
    for name, field in schema["properties"].items():
        entries = (field, *field.get("oneOf", ()), *field.get("anyOf", ()))
        kinds = [schema["$defs"][entry["$ref"].rpartition("/")[2]] for entry in entries if "$ref" in entry]
        if kinds:
            parts += [f"\n### {name}\n", *_describe(name, kinds)]
    return "\n".join(parts) + "\n"


def _list_recipes() -> Iterator[str]:
    yield "| recipe | what it is | source |"
    yield "|---|---|---|"
    for name, path in zoo_recipes().items():
        recipe = read_recipe(path)
        yield f"| [{name}](../../specs/{RECIPES}/{path.name}) | {recipe.description} | {recipe.source} |"


def _describe(name: str, kinds: list[dict[str, Any]]) -> Iterator[str]:
    """The section of a section: of several kinds, what each is, and what it has beside the others."""
    if NOTES.get(name):
        yield NOTES[name]
    if len(kinds) == 1:
        yield f"{kinds[0]['description']}\n"
        yield from _table(kinds[0], kinds[0]["properties"])
        return
    for kind in kinds:
        word = kind["properties"]["name"]["const"]
        usual = " (the usual one)" if "name" not in kind.get("required", ()) else ""
        yield f"`name: {word}`{usual}: {_one_line(kind['description'])}\n"
        yield from _table(kind, {key: field for key, field in kind["properties"].items() if key != "name"})
        if kind is not kinds[-1]:
            yield ""


def _table(model: dict[str, Any], fields: dict[str, Any]) -> Iterator[str]:
    if not fields:
        return
    yield "| key | meaning | takes | default |"
    yield "|---|---|---|---|"
    for key, field in fields.items():
        default = _write_default(field) if key not in model.get("required", ()) else "needed"
        yield f"| `{key}` | {_one_line(field['description'])} | {_takes(field)} | {default} |"


def _write_default(field: dict[str, Any]) -> str:
    if "default" in field:
        value = field["default"]
        return f"`{value}`" if isinstance(value, str) and value else f"`{json.dumps(value)}`" if value != "" else "none"
    return "none" if field.get("type") == "string" else "its defaults" if field.get("type") != "array" else "`[]`"


def _takes(field: dict[str, Any]) -> str:
    """A key's JSON Schema in words."""
    if "$ref" in field or "oneOf" in field:
        return "a mapping"
    if "anyOf" in field:
        options = list(dict.fromkeys(map(_takes, field["anyOf"])))
        return " or ".join(options)
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{word}`" for word in field["enum"])
    kind = field["type"]
    if kind == "array":
        least, most = field.get("minItems", 0), field.get("maxItems")
        count = f"{least} " if least == most else f"up to {most} " if most and most <= 9 else ""
        return f"a list of {count}{_takes(field['items']).removeprefix('a ').replace('number', 'numbers', 1)}"
    if kind == "object":
        return f"{_takes(field['additionalProperties'])} by name"
    if kind in ("null", "boolean", "string"):
        return {"null": "`null`", "boolean": "true or false", "string": "text"}[kind]
    return " ".join(["a whole number" if kind == "integer" else "a number", *_write_bounds(field)])


def _write_bounds(field: dict[str, Any]) -> Iterator[str]:
    if "minimum" in field:
        yield f"from {field['minimum']:g}"
    if "exclusiveMinimum" in field:
        yield f"above {field['exclusiveMinimum']:g}"
    if field.get("maximum", MAX_WHOLE) != MAX_WHOLE:
        yield f"to {field['maximum']:g}"
    if "exclusiveMaximum" in field:
        yield f"below {field['exclusiveMaximum']:g}"


def _one_line(text: str) -> str:
    return " ".join(inspect.cleandoc(text).split()).replace("|", r"\|").replace("*", r"\*")


assert set(NOTES) <= set(Recipe.model_fields), "a note is on no key"
