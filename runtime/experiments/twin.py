"""The plain twin of a residual network: the same layers without the shortcuts around them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError, InputError, ModelError
from archspec.files import write_text
from archspec.spec.load import load
from archspec.spec.spec import Spec
from archspec.spec.text import to_yaml
from compiler.onnx_file.metadata import SETTINGS
from runtime.recipes.recipe import Recipe
from runtime.training.run import Run
from runtime.training.run_folder import SPEC, WEIGHTS


def write_twin(spec: Spec, folder: str | Path) -> Spec:
    """Write the plain twin of a spec into a folder, as `spec.yaml`, and read it.

    Raises InputError where the spec has no `residual`, or what is left of it is no network.
    """
    data = spec.to_data()
    plain = drop_shortcuts(data)
    if plain == data:
        raise InputError(f"{spec.name} has no `residual` whose shortcut could be left out: it is its own plain twin")
    plain |= {"name": f"{spec.name}_plain", "description": f"{spec.name} without its shortcuts."}
    write_text(Path(folder) / SPEC, to_yaml(plain))
    return load(Path(folder) / SPEC, extensions=spec.extensions)


def drop_shortcuts(data: Any) -> Any:
    """Give a document in which each `residual` is its body alone, without shortcut, scale and chance."""
    if isinstance(data, list):
        return [
            _unwrap(item) if isinstance(item, dict) and "residual" in item else drop_shortcuts(item) for item in data
        ]
    if isinstance(data, dict):
        return {key: drop_shortcuts(value) for key, value in data.items()}
    return data


def _unwrap(node: Mapping[str, Any]) -> dict[str, Any]:
    """The body in a scope of its own, so that its names meet no others."""
    residual = node["residual"]
    named = {"name": residual["name"]} if "name" in residual else {}
    return {"when": {"test": True, "then": drop_shortcuts(residual["body"]), **named}}


def read_recipe(run: Run) -> Recipe:
    """Read the recipe that a run was trained by. Raises ModelError where its weights do not say."""
    with suppress(ArchspecError, TypeError, ValueError):
        if (written := SETTINGS.read(run.metadata)) is not None:
            return Recipe.model_validate(written)
    raise ModelError(f"{run.folder / WEIGHTS} does not say how it was trained ('{SETTINGS}')")
