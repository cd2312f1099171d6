"""Options change single keys of a recipe."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.errors import ArchspecError, InputError, SpecError
from runtime.recipes.document import RecipeDocument
from runtime.recipes.optimization import AdamW
from runtime.recipes.overrides import apply_overrides, route_settings
from runtime.recipes.recipe import Recipe


def change(*options: str, name: str = "he2015") -> Recipe:
    return apply_overrides(RecipeDocument.read(name), options).check()


@pytest.mark.parametrize(
    ("option", "path", "value"),
    [
        ("optimizer.lr=0.2", "optimizer.lr", 0.2),
        ("optimizer={lr: 0.3}", "optimizer.lr", 0.3),
        ("optimizer={lr: 0.3}", "optimizer.momentum", 0.9),
        ("batch=auto", "batch", "auto"),
        ("clip=1e-3", "clip", 1e-3),
        ("clip=null", "clip", None),
        ("clip=~", "clip", None),
        ("freeze=[conv_0, 'a.*']", "freeze", ["conv_0", "a.*"]),
        ("early_stopping.patience=3", "early_stopping.patience", 3),
        ("loss.outputs.aux=0.4", "loss.outputs", {"aux": 0.4}),
        ("data.fold=2/5", "data.fold", "2/5"),
        ("description=a = b", "description", "a = b"),
        ("epochs=7", "epochs", 7),
        ("epochs=7", "steps", None),
        ("schedule.milestones=[100, 200]", "schedule.milestones", [100, 200]),
    ],
)
def test_an_option_sets_its_key(option: str, path: str, value: Any) -> None:
    found: Any = change(option)
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value


def test_later_options_win_and_all_others_stay() -> None:
    assert change("seed=1", "seed=2").seed == 2
    before, after = change().to_dict(), change("seed=2").to_dict()
    assert {key for key in before if before[key] != after[key]} == {"seed"}


def test_another_kind_begins_its_section_anew_and_that_is_said() -> None:
    document = apply_overrides(RecipeDocument.read("he2015"), ["optimizer.name=adamw", "optimizer.lr=0.01"])
    assert document.check().optimizer == AdamW(lr=0.01)
    (note,) = document.notes
    assert note == (
        "`optimizer.name: adamw` begins `optimizer` anew, without its lr, momentum, nesterov, weight_decay, decay_all"
    )
    same = apply_overrides(RecipeDocument.read("he2015"), ["optimizer.name=sgd"])
    assert same.notes == ()
    assert same.check() == change()
    assert apply_overrides(RecipeDocument.empty(), ["optimizer.name=sgd", "optimizer.name=adamw"]).notes == ()


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        (["optimizer.lrr=1"],
         ["--set optimizer.lrr: error[unknown-field]: unknown key 'optimizer.lrr' of a recipe; "
          "did you mean 'optimizer.lr'?"]),
        (["epochs=x", "clip=-1"],
         ["--set clip: error[bad-value]: `clip` of a recipe should be above 0, found -1",
          "--set epochs: error[wrong-type]: `epochs` of a recipe should be a whole number, found 'x'"]),
        (["optimizer={lr: 0, lr: 1}"],
         ["--set optimizer: error[duplicate-key]: 'lr' stands here a second time; the first is in line 1"]),
        (["optimizer={lr: 0}"],
         ["--set optimizer: error[bad-value]: `optimizer.lr` of a recipe should be above 0, found 0"]),
        (["seed.x=1"],
         ["--set seed.x: error[wrong-type]: `seed` of a recipe should be a whole number, found a mapping"]),
    ],
)  # fmt: skip
def test_mistakes_name_their_option(options: list[str], messages: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        change(*options)
    assert [str(item) for item in error.value.diagnostics] == messages


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("x", "--set needs KEY=VALUE, as in --set optimizer.lr=0.1, found 'x'"),
        ("=3", "--set needs KEY=VALUE"),
        ("optimizer..lr=3", "--set needs KEY=VALUE"),
        ("clip=", "--set clip needs a value; `null` is none"),
        ("a.b.c.d.e.f.g.h.i=3", "--set a.b.c.d.e.f.g.h.i: no key of a recipe stands in 8 others"),
        ("freeze=[a", "--set freeze: error[syntax]"),
        ("clip=!!python/object:os.system 3", "--set clip: error[tag]"),
    ],
)
def test_what_is_no_option_is_refused(option: str, words: str) -> None:
    with pytest.raises(ArchspecError) as error:
        apply_overrides(RecipeDocument.empty(), [option])
    assert str(error.value).startswith(words)


def test_names_go_to_the_spec_or_to_the_recipe() -> None:
    options = ["classes=3", "optimizer.lr=1", "epochs=2", "seed=4"]
    assert route_settings(options, ["classes", "seed"]) == (["classes=3", "seed=4"], ["optimizer.lr=1", "epochs=2"])
    assert route_settings(["malformed"], ["classes"]) == (["malformed"], [])
    with pytest.raises(InputError, match="--set clases: neither the spec nor a recipe has it; did you mean 'classes'"):
        route_settings(["clases=3"], ["classes"])
    with pytest.raises(InputError, match=r"--set lr: neither the spec nor a recipe has it; here it is `optimizer\.lr`"):
        route_settings(["lr=3"], ["classes"])
    with pytest.raises(
        InputError, match=r"--set flip: neither the spec nor a recipe has it; here it is `augment\.flip`"
    ):
        route_settings(["flip=horizontal"], ["classes"])


@given(st.text(max_size=12), st.text(max_size=30))
def test_any_option_is_taken_or_refused(key: str, value: str) -> None:
    document = RecipeDocument.empty()
    try:
        changed = apply_overrides(document, [f"{key}={value}"]).check()
    except ArchspecError as error:
        assert "--set" in str(error)  # noqa: PT017
    else:
        assert isinstance(changed, Recipe)
    assert document.check() == Recipe()
