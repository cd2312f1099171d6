"""Recipes are read with places, all mistakes at once, and put on others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archspec.errors import SpecError
from archspec.spec.load import load
from archspec.spec.text import to_yaml
from archspec.spec.zoo import RECIPES, ZOO, zoo_recipes, zoo_specs
from runtime.recipes.document import RecipeDocument, find_recipe, read_recipe
from runtime.recipes.recipe import Recipe


def said(path: Path, text: str) -> list[str]:
    """The mistakes of a recipe with this text, without the name of its file."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as error:
        read_recipe(path)
    return [str(item).replace(str(path), "R") for item in error.value.diagnostics]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("recipe: 1\nepochs: 0\n", ["R:2:9: error[bad-value]: `epochs` of a recipe should be at least 1, found 0"]),
        ("recipe: 1\nlr: 0.1\n",
         ["R:2:1: error[unknown-field]: unknown key 'lr' of a recipe; here it is `optimizer.lr`"]),
        (
            "recipe: 1\noptimizer:\n  name: adam\n",
            ["R:3:9: error[bad-value]: `optimizer.name` of a recipe should be 'sgd', 'adamw' or 'muon', found 'adam'; "
             "here it is 'adamw', without weight decay, `weight_decay: 0`, it is Adam"],
        ),
        (
            "recipe: 1\nschedule: {name: step, milestones: [1, x]}\n",
            ["R:2:40: error[bad-value]: `schedule.milestones.1` of a recipe should be a number of steps from 1 on, or "
             "below 1 a share of all steps, found 'x'"],
        ),
        (
            "recipe: 1\ntask: maps\nmix:\n  mixup: 0.2\n",
            ["R:4:10: error[bad-value]: a recipe has `task: maps`, and `mix.mixup` is for labels, not for maps: "
             "leave it out"],
        ),
        ("epochs: 3\n", ["R:1:1: error[missing-field]: a recipe starts with `recipe: 1`, the version of its language"]),
        ("recipe: 2\n", ["R:1:9: error[bad-value]: `recipe` of a recipe should be 1, found 2"]),
        ("archspec: 1\n", ["R:1:1: error[wrong-type]: this is a spec, not a recipe: a recipe starts with `recipe: 1`"]),
        ("- 1\n", ["R:1:1: error[wrong-type]: a recipe is a mapping that starts with `recipe: 1`"]),
        ("", ["R:1:1: error[empty]: the document is empty; a recipe starts with `recipe: 1`"]),
        ("recipe: 1\nseed: !!int 3\n", ["R:2:7: error[tag]: tags are not part of the language: tag:yaml.org,2002:int"]),
        ("recipe: 1\nextends: he2016\n",
         ["R:2:10: error[unknown-import]: there is no recipe 'he2016' beside R or in the zoo; did you mean 'he2015'?"]),
        ("recipe: 1\nextends: /etc/passwd\n",
         ["R:2:10: error[import-outside]: '/etc/passwd' is not in the recipe's folder: name it from there"]),
        ("recipe: 1\nextends: [he2015]\n",
         ["R:2:10: error[wrong-type]: `extends` of a recipe should be a name or a file"]),
        ("recipe: 1\nextends: r\n", ["R:2:10: error[import-cycle]: recipes extend each other: r → r"]),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place_and_what_to_do(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert said(tmp_path / "r.yaml", text) == expected


def test_all_mistakes_are_told_at_once_in_the_order_of_their_places(tmp_path: Path) -> None:
    text = "recipe: 1\nseed: 1\nseed: 2\nspeed: 3\nbatch: x\naugment: {flips: both, hue: 1}\ndata: {fold: 3/2}\n"
    found = said(tmp_path / "r.yaml", text)
    assert [item.partition(":")[2].partition(" error")[0] for item in found] == [
        "3:1:", "4:1:", "5:8:", "6:11:", "6:29:", "7:14:",
    ]  # fmt: skip


def test_json_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"recipe": 1, "epochs": 3, "data": {"window": [0, 1.5]}}, indent="\t"), encoding="utf-8")
    assert read_recipe(path).data.window == [0.0, 1.5]


@pytest.mark.parametrize("name", sorted(zoo_recipes()))
def test_a_recipe_comes_back_from_its_text(name: str, tmp_path: Path) -> None:
    recipe = read_recipe(name)
    assert recipe.description
    assert recipe.source or name == "default"
    (tmp_path / "recipe.yaml").write_text(to_yaml(recipe.to_dict()), encoding="utf-8")
    assert read_recipe(tmp_path / "recipe.yaml") == recipe


def test_the_default_recipe_says_every_key() -> None:
    document = RecipeDocument.read("default")
    assert document.check().model_copy(update={"description": ""}) == Recipe()
    assert document.written.keys() == Recipe.model_fields.keys() - {"source"}
    for name in ("optimizer", "schedule", "loss", "mix", "data", "augment"):
        assert document.written[name].keys() == type(getattr(Recipe(), name)).model_fields.keys()


def test_names_are_found_and_files_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_recipe("he2015") == find_recipe("recipes/he2015") == ZOO / RECIPES / "he2015.yaml"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "he2015").mkdir()  # a run's folder
    assert find_recipe("he2015") == ZOO / RECIPES / "he2015.yaml"
    assert find_recipe("he2015.yaml") == Path("he2015.yaml")
    with pytest.raises(SpecError, match=r"unknown-recipe.*did you mean 'he2015'"):
        find_recipe("he2005")
    with pytest.raises(SpecError, match=r"`archspec list --recipes` shows them"):
        find_recipe("zzzzzzzz")
    with pytest.raises(SpecError, match="NUL"):
        find_recipe("a\0b")
    with pytest.raises(SpecError, match=r"he2016\.yaml: error\[unreadable\]"):
        read_recipe("he2016.yaml")


def test_recipes_are_no_specs() -> None:
    assert not {"he2015", "default"} & set(zoo_specs())
    with pytest.raises(SpecError, match="it is a recipe"):
        load("he2015")
    with pytest.raises(SpecError, match="this is a recipe, not a spec"):
        load(ZOO / RECIPES / "he2015.yaml")


def test_a_recipe_is_put_on_another(tmp_path: Path) -> None:
    """Mappings are merged key by key; another kind of optimizer or schedule, and steps for epochs, begin anew."""
    (tmp_path / "base.yaml").write_text("recipe: 1\nextends: he2015\nseed: 3\naugment: {shift: 1}\n", encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(
        "recipe: 1\nextends: base\noptimizer: {lr: 0.2}\nschedule: {name: cosine}\nepochs: 3\n", encoding="utf-8"
    )
    document = RecipeDocument.read(path)
    recipe, paper = document.check(), read_recipe("he2015")
    assert recipe.optimizer == paper.optimizer.model_copy(update={"lr": 0.2})
    assert recipe.augment == paper.augment.model_copy(update={"shift": 1})
    assert (recipe.seed, recipe.epochs, recipe.steps, recipe.batch) == (3, 3, None, 128)
    assert recipe.schedule == Recipe().schedule
    assert document.notes == ("`schedule.name: cosine` begins `schedule` anew, without its milestones, gamma",)


def test_mistakes_of_the_base_stand_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("recipe: 1\nepochs: 0\nbatch: 0\n", encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text("recipe: 1\nextends: base.yaml\nbatch: 1\nseed: -1\n", encoding="utf-8")
    with pytest.raises(SpecError) as error:
        read_recipe(path)
    assert [(item.place.file, item.place.line) for item in error.value.diagnostics] == [
        (str(tmp_path / "base.yaml"), 2), (str(path), 4),
    ]  # fmt: skip


def test_what_a_recipe_extends_lies_beside_it_or_in_the_zoo(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "base.yaml").write_text("recipe: 1\n", encoding="utf-8")
    (folder / "link.yaml").symlink_to(tmp_path / "base.yaml")
    for name in ("../base.yaml", "link"):
        assert (
            "is outside the recipe's folder and the zoo" in said(folder / "r.yaml", f"recipe: 1\nextends: {name}\n")[0]
        )


def test_recipes_are_put_on_each_other_a_few_times_and_in_no_circle(tmp_path: Path) -> None:
    for number in range(12):
        text = f"recipe: 1\nextends: r{number + 1}\n" if number < 11 else "recipe: 1\n"
        (tmp_path / f"r{number}.yaml").write_text(text, encoding="utf-8")
    assert read_recipe(tmp_path / "r4.yaml") == Recipe()
    with pytest.raises(SpecError, match=r"too-large.*at most 8 others"):
        read_recipe(tmp_path / "r0.yaml")
    (tmp_path / "r11.yaml").write_text("recipe: 1\nextends: r9\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"import-cycle.*recipes extend each other"):
        read_recipe(tmp_path / "r8.yaml")
