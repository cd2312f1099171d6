"""What other programs call the keys and values of recipes."""

from __future__ import annotations

import pytest

from archspec.spec.suggestions import spell
from runtime.recipes.optimization import AdamW, EarlyStopping, OneCycle
from runtime.recipes.recipe import Recipe
from runtime.recipes.words import FOREIGN, VALUES, list_fields, paths_by_word, suggest_key, suggest_value


def test_what_is_suggested_exists() -> None:
    known = {path for path, _ in list_fields(Recipe)}
    assert [path for paths in paths_by_word(Recipe).values() for path in paths if path not in known] == []


def test_foreign_words_are_spelled_as_they_are_looked_up_and_are_no_keys_of_the_same_section() -> None:
    words = [word for line in FOREIGN.split("\n") if line.startswith(" ") for word in line.split()]
    assert [word for word in [*words, *VALUES] if spell(word) != word] == []


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("batch_size", "; here it is `batch`"),
        ("Batch-Size", "; here it is `batch`"),
        ("lr", "; here it is `optimizer.lr`"),
        ("learning_rate", "; here it is `optimizer.lr`"),
        ("lr_scheduler", "; here it is `schedule`"),
        ("label_smoothing", "; here it is `loss.label_smoothing`"),
        ("hflip", "; here it is `augment.flip`"),
        ("num_workers", "; here it is `data.workers`"),
        ("gradient_clip_val", "; here it is `clip`"),
        ("epoch", "; did you mean 'epochs'?"),
        ("optimiser", "; did you mean 'optimizer'?"),
        ("EPOCHS", "; did you mean 'epochs'?"),
        ("gamma", "; here it is `schedule.gamma` or `loss.gamma`"),
    ],
)
def test_keys(word: str, words: str) -> None:
    assert suggest_key(word, "", Recipe, Recipe) == words


def test_keys_within_a_section() -> None:
    assert suggest_key("learning_rate", "optimizer", AdamW, Recipe) == "; here it is `optimizer.lr`"
    assert suggest_key("lrr", "optimizer", AdamW, Recipe) == "; did you mean 'optimizer.lr'?"
    assert suggest_key("LR", "optimizer", AdamW, Recipe) == "; did you mean 'optimizer.lr'?"
    slip = suggest_key("patiense", "early_stopping", EarlyStopping, Recipe)
    assert slip == "; did you mean 'early_stopping.patience'?"
    assert suggest_key("momentum", "optimizer", AdamW, Recipe) == "; only sgd, muon have it"
    assert suggest_key("milestones", "schedule", OneCycle, Recipe) == "; only step has it"
    assert suggest_key("learning_rate", "", AdamW, AdamW) == "; here it is `lr`"
    assert (
        suggest_key("zzzzzz", "schedule", OneCycle, Recipe)
        == "; `schedule` has name, pct_start, div_factor, final_div_factor"
    )


@pytest.mark.parametrize(
    ("word", "known", "words"),
    [
        ("Adam", ["sgd", "adamw"], "; here it is 'adamw', without weight decay, `weight_decay: 0`, it is Adam"),
        ("CosineAnnealingLR", ["cosine", "step"], "; here it is 'cosine'"),
        ("ReduceLROnPlateau", ["cosine"], "; no schedule goes by scores: `early_stopping` does"),
        ("ADAMW", ["adamw"], "; did you mean 'adamw'?"),
        ("cosin", ["cosine"], "; did you mean 'cosine'?"),
        ("zzzzz", ["cosine"], ""),
    ],
)
def test_values(word: str, known: list[str], words: str) -> None:
    assert suggest_value(word, known) == words
