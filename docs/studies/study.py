"""A study: variants of a network or of its training, all trained alike, each with several seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from archspec.api import load
from archspec.cli.options import parse_params
from archspec.errors import InputError, suggest
from archspec.spec.spec import Spec
from runtime.recipes.document import RecipeDocument
from runtime.recipes.overrides import apply_overrides, route_settings
from runtime.recipes.recipe import Recipe

STUDIES = Path(__file__).resolve().parent


class Variant(BaseModel):
    """One side of a comparison: a spec, and what `archspec train --set` would change of it or of the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: str
    set: tuple[str, ...] = ()


class Study(BaseModel):
    """A file `study.yaml`: what is asked, who asked it first, and what is trained to see. With `vote`, the networks of
    all seeds answer together too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    title: str
    question: str
    source: str
    data: str
    recipe: str
    seeds: int = Field(ge=1)
    variants: Mapping[str, Variant]
    vote: bool = False

    @classmethod
    def read(cls, folder: Path) -> Study:
        """Read the study in a folder. Raises pydantic's ValidationError for what is no study."""
        return cls(folder=folder, **yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8")))

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    def list_trainings(self, runs: Path) -> list[Training]:
        """List what is to be trained, with the places of the runs."""
        return [
            Training(self, label, seed, runs / self.name / f"{_slug(label)}-{seed}")
            for label in self.variants
            for seed in range(self.seeds)
        ]


@dataclass(frozen=True)
class Training:
    """A variant with one seed, and the folder of its run."""

    study: Study
    variant: str
    seed: int
    folder: Path

    def choose(self) -> tuple[Spec, Recipe]:
        """Give the spec and the recipe, as `archspec train` would have them. Raises ArchspecError."""
        variant = self.study.variants[self.variant]
        source = self._find(variant.spec)
        for_spec, for_recipe = route_settings(variant.set, load(source).params)
        document = RecipeDocument.read(self._find(self.study.recipe))
        recipe = apply_overrides(document, [*for_recipe, f"seed={self.seed}"]).check()
        return load(source, parse_params(for_spec)), recipe

    def _find(self, name: str) -> str:
        """Find a file by its place from the study's folder; other names are the zoo's."""
        path = (self.study.folder / name).resolve()
        return str(path) if path.is_file() else name


def list_studies() -> list[str]:
    """List the names of all studies."""
    return sorted(path.parent.name for path in STUDIES.glob("*/study.yaml"))


def find_study(name: str) -> Study:
    """Read the study of that name. Raises InputError where there is none."""
    names = list_studies()
    if name not in names:
        raise InputError(f"no study '{name}'{suggest(name, names)} (there are: {', '.join(names)})")
    return Study.read(STUDIES / name)


def _slug(label: str) -> str:
    return re.sub(r"[^\w.]+", "-", label)
