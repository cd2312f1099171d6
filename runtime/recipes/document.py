"""A recipe as it is written: read from YAML or JSON, put on another one, changed by options; then checked whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archspec.errors import Diagnostic, Mistakes, Place, SpecError, suggest
from archspec.spec.marked import Table, place_in
from archspec.spec.text import Language, read_file
from archspec.spec.zoo import RECIPES, SUFFIXES, ZOO, real_path, shown, zoo_recipes
from runtime.recipes.problems import find_problems
from runtime.recipes.recipe import Recipe
from runtime.recipes.words import default_kind

RECIPE = Language("recipe", "recipe")

MAX_EXTENDED = 8
"""The largest number of recipes that one is put on, one on the other."""

OPTION = "--set"
"""The option by which keys of a recipe are changed, as places of mistakes name it."""


@dataclass(frozen=True, eq=False)
class RecipeDocument:
    """The keys of a recipe, with the places where they are written.

    `mistakes` are those beside which it could still be read; `notes` say, a sentence each, what a change took away.
    """

    written: Table
    mistakes: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def empty(cls) -> RecipeDocument:
        """The recipe in which nothing is written but its version."""
        table = Table(Place("recipe"))
        _put(table, "recipe", 1, table.at)
        return cls(table)

    @classmethod
    def read(cls, source: str | Path) -> RecipeDocument:
        """Read a recipe from a file or, by its name, from the zoo; one that `extends` another is put on it.

        Raises SpecError where it cannot be read at all.
        """
        trail: list[Path] = []
        documents: list[RecipeDocument] = []
        path = find_recipe(source)
        while True:
            written, mistakes = _read_table(path)
            documents.append(cls(written, mistakes))
            trail.append(real_path(path))
            base = written.get("extends")
            if base is None:
                break
            path = _find_base(base, written, trail)
        whole = documents.pop()
        while documents:
            whole = whole.put_on(documents.pop())
        return whole

    def put_on(self, changes: RecipeDocument) -> RecipeDocument:
        """This recipe with the changes of another on it: its keys replace ours, mapping by mapping."""
        notes: list[str] = []
        merged = _merge(self.written, changes.written, "", notes)
        return RecipeDocument(merged, (*self.mistakes, *changes.mistakes), (*self.notes, *changes.notes, *notes))

    def check(self) -> Recipe:
        """Make the recipe. Raises SpecError with every mistake that was found."""
        mistakes: list[Diagnostic] = Mistakes(self.mistakes)
        given = {key: value for key, value in self.written.items() if key != "extends"}
        try:
            recipe = Recipe.model_validate(given)
        except ValidationError as error:
            for code, message, path, is_key in find_problems(error, Recipe):
                place = place_in(self.written, path, self.written.at, key=is_key)
                mistakes.append(Diagnostic(code, message, place))
            raise SpecError(map(_place_option, mistakes)) from None
        if mistakes:
            raise SpecError(map(_place_option, mistakes))
        return recipe


def read_recipe(source: str | Path) -> Recipe:
    """Read a recipe from a file or, by its name, from the zoo. Raises SpecError with every mistake that was found.

    >>> from runtime.recipes.document import read_recipe
    >>> read_recipe("he2015").batch
    128
    """
    return RecipeDocument.read(source).check()


def find_recipe(source: str | Path) -> Path:
    """Find the file of a recipe, given as a path or as a name in the zoo. Raises SpecError."""
    text, path, names = str(source), Path(source), zoo_recipes()
    if "\0" in text:
        raise SpecError([Diagnostic("unreadable", "a path holds no NUL", Place(repr(text)))])
    short = text.removeprefix(f"{RECIPES}/")
    hidden = text in names and path.is_dir()  # a run's folder may have the name of its recipe
    named = path.suffix in SUFFIXES or Path(short).name != short or len(text) > 255
    if named or (path.exists() and not hidden):
        return path
    if short not in names:
        near = suggest(short, names) or "; `archspec list --recipes` shows them"
        message = f"there is no file and no recipe of this name{near}"
        raise SpecError([Diagnostic("unknown-recipe", message, Place(text))])
    return names[short]


def tell_recipe(source: str) -> Path | None:
    """Tell the file of a recipe that is named as `recipes/NAME`, or is a file that says that it is one; None where it
    is something else."""
    if source.startswith(f"{RECIPES}/") and not Path(source).suffix:
        return find_recipe(source)
    if Path(source).suffix not in SUFFIXES:
        return None
    try:
        written = read_file(Path(source), source, RECIPE).data
    except SpecError:
        return None
    return Path(source) if isinstance(written, Table) and "recipe" in written and "archspec" not in written else None


def _read_table(path: Path) -> tuple[Table, tuple[Diagnostic, ...]]:
    """Read the marked data of a file, with the mistakes that it can be read beside."""
    name = shown(path)
    marked = read_file(path, name, RECIPE)
    if not isinstance(marked.data, Table):
        message = "a recipe is a mapping that starts with `recipe: 1`"
        raise SpecError([Diagnostic("wrong-type", message, Place(name, 1))])
    if "archspec" in marked.data and "recipe" not in marked.data:
        message = "this is a spec, not a recipe: a recipe starts with `recipe: 1`"
        raise SpecError([Diagnostic("wrong-type", message, marked.data.keys_at["archspec"])])
    if "recipe" in marked.data:
        return marked.data, marked.mistakes
    message = "a recipe starts with `recipe: 1`, the version of its language"
    return marked.data, (*marked.mistakes, Diagnostic("missing-field", message, marked.data.at))


def _find_base(base: Any, written: Table, trail: list[Path]) -> Path:
    """Find the recipe that the last of the trail extends: beside it, or in the zoo. Raises SpecError."""
    place = written.values_at["extends"]
    if not isinstance(base, str):
        raise SpecError([Diagnostic("wrong-type", "`extends` of a recipe should be a name or a file", place)])
    folder, names = trail[-1].parent, zoo_recipes()
    if "\0" in base or Path(base).is_absolute():
        raise SpecError(
            [Diagnostic("import-outside", f"'{base}' is not in the recipe's folder: name it from there", place)]
        )
    meant = [real_path(folder / f"{base}{suffix}") for suffix in ("", *SUFFIXES)]
    found = [path for path in [*meant, *([names[base]] if base in names else [])] if path.is_file()]
    inside = [path for path in found if path.is_relative_to(folder) or path.is_relative_to(ZOO / RECIPES)]
    if found and not inside:
        raise SpecError([Diagnostic("import-outside", f"'{base}' is outside the recipe's folder and the zoo", place)])
    others = [path for path in inside if path != trail[-1]]
    if not inside:
        near = suggest(base, names) or "; `archspec list --recipes` shows those of the zoo"
        message = f"there is no recipe '{base}' beside {shown(trail[-1])} or in the zoo{near}"
        raise SpecError([Diagnostic("unknown-import", message, place)])
    if not others or others[0] in trail:
        circle = [path.stem for path in (*trail, *others[:1], *([] if others else trail[-1:]))]
        raise SpecError([Diagnostic("import-cycle", f"recipes extend each other: {' → '.join(circle)}", place)])
    if len(trail) > MAX_EXTENDED:
        raise SpecError([Diagnostic("too-large", f"a recipe is put on at most {MAX_EXTENDED} others", place)])
    return others[0]


def _merge(base: Table, over: Table, at: str, notes: list[str]) -> Table:
    """Put the keys of one mapping, which stands at the path `at`, over those of another."""
    merged = base.copy_with()
    merged.at = over.at
    for one, other in (("epochs", "steps"), ("steps", "epochs")):
        if not at and one in over and other not in over and other in merged:
            del merged[other]  # they say the same thing
    for key, value in over.items():
        before = merged.get(key)
        path = f"{at}.{key}" if at else key
        if isinstance(before, Table) and isinstance(value, Table):
            if _begins_anew(path, before, value):
                left = ", ".join(name for name in before if name != "name" and name not in value)
                notes += [f"`{path}.name: {value['name']}` begins `{path}` anew, without its {left}"] if left else []
            else:
                value = _merge(before, value, path, notes)
        _put(merged, key, value, over.values_at[key], over.keys_at[key])
    return merged


def _begins_anew(path: str, before: Table, after: Table) -> bool:
    """Tell whether a section becomes one of another kind, which the fields of the old one do not fit."""
    usual = default_kind(Recipe, path)
    return usual is not None and "name" in after and after["name"] != before.get("name", usual)


def _put(table: Table, key: str, value: Any, at: Place, key_at: Place | None = None) -> None:
    table[key], table.values_at[key], table.keys_at[key] = value, at, key_at or at


def _place_option(mistake: Diagnostic) -> Diagnostic:
    """Leave out the line and the column of a mistake in an option, which has none."""
    file = mistake.place.file
    return replace(mistake, place=Place(file)) if file.startswith(f"{OPTION} ") else mistake


def nest(path: Iterable[str], value: Any, place: Place) -> Table:
    """Make the recipe in which only the value at the end of these keys is written, in one place."""
    first, *others = path
    table = Table(place)
    _put(table, first, nest(others, value, place) if others else value, place)
    return table
