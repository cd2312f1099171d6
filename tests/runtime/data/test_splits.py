"""Parts of data: every sample is in one, each class has its share, and every machine makes the same ones."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold, train_test_split

from archspec.errors import InputError
from runtime.data.splits import DataParts, order_names, parse_fold, split_samples
from runtime.recipes.data import DataSection

NAMES = [f"{label}/{index:03}.png" for label in "abc" for index in range(20)]
GOLD = [2, 14, 15, 18, 21, 33, 34, 35, 45, 56, 57, 59]
CLASSES = [index // 20 for index in range(60)]


def split(section: DataSection, given: list[str] | None = None, groups: list[str] = NAMES) -> DataParts:
    return split_samples(groups, CLASSES, given, section, "data")


def test_the_split_is_that_of_the_names_and_the_seed_alone() -> None:
    """These numbers are the same on every machine, in every process, and with every version of numpy."""
    assert split(DataSection()).test.tolist() == GOLD
    by_hand = [
        sorted(range(k, k + 20), key=lambda i: hashlib.sha256(f"0:{NAMES[i]}".encode()).digest())[:4]
        for k in (0, 20, 40)
    ]
    assert sorted(index for chosen in by_hand for index in chosen) == GOLD
    assert split(DataSection(seed=1)).test.tolist() != split(DataSection()).test.tolist()
    code = "from runtime.data.splits import order_names; print(order_names(['a', 'b', 'c', 'd', 'e'], 0))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert other.strip() == str(order_names(["e", "d", "c", "b", "a"], 0))


def test_a_name_is_the_same_however_its_letters_are_composed() -> None:
    names = ["schön.png", "ähnlich.png", "a.png", "b.png"]
    decomposed = [unicodedata.normalize("NFD", name) for name in names]
    assert names != decomposed
    assert [unicodedata.normalize("NFC", name) for name in order_names(decomposed, 3)] == order_names(names, 3)


def test_a_new_file_moves_few_others() -> None:
    """At most one of each class changes its part."""
    before = {NAMES[index] for index in split(DataSection()).test}
    names = [*NAMES[:20], "a/new.png", *NAMES[20:]]
    parts = split_samples(names, [*CLASSES[:20], 0, *CLASSES[20:]], None, DataSection(), "data")
    after = {names[index] for index in parts.test}
    assert len(before - after) <= 1


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    test=st.floats(0.01, 0.5),
    validation=st.floats(0, 0.4),
    seed=st.integers(0, 5),
)
@settings(max_examples=100)
def test_shares_are_stratified_as_scikit_learn_does(
    counts: list[int], test: float, validation: float, seed: int
) -> None:
    """Each class has its share, whole numbers next to it; scikit-learn is the witness of the numbers of each class."""
    classes = [number for number, count in enumerate(counts) for _ in range(count)]
    names = [f"{index}" for index in range(len(classes))]
    section = DataSection(test=test, validation=validation, seed=seed)
    wanted = max(1, round(test * len(names))) + (max(1, round(validation * len(names))) if validation else 0)
    if wanted >= len(names):
        with pytest.raises(InputError, match="the train part of data has no images"):
            split_samples(names, classes, None, section, "data")
        return
    parts = split_samples(names, classes, None, section, "data")
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(together.tolist()) == list(range(len(names)))
    held = Counter(classes[index] for index in parts.test)
    size = max(1, round(test * len(names)))
    assert len(parts.test) == size
    exact = [size * count / len(names) for count in counts]
    assert all(np.floor(share) <= held[number] <= np.ceil(share) for number, share in enumerate(exact))
    if min(counts) >= 2 and len(counts) <= size <= len(names) - len(counts):
        _, other = train_test_split(classes, test_size=size, stratify=classes, random_state=0)
        assert all(abs(held[number] - Counter(other)[number]) <= 1 for number in range(len(counts)))


def test_no_class_is_held_out_whole_while_others_have_more() -> None:
    classes = [0] * 1 + [1] * 9
    parts = split_samples([str(index) for index in range(10)], classes, None, DataSection(test=0.5), "data")
    assert 0 in parts.train
    assert len(parts.test) == 5


@pytest.mark.parametrize("count", [2, 3, 5, 60])
def test_folds_hold_out_everything_once(count: int) -> None:
    folds = [split(DataSection(fold=f"{number}/{count}")) for number in range(1, count + 1)]
    assert sorted(index for fold in folds for index in fold.test) == list(range(60))
    assert all(
        set(fold.train) | set(fold.test) == set(range(60)) and not set(fold.train) & set(fold.test) for fold in folds
    )
    if count <= 20:
        witness = StratifiedKFold(count).split(NAMES, CLASSES)
        most = max(max(Counter(CLASSES[index] for index in test).values()) for _, test in witness)
        assert max(max(Counter(CLASSES[index] for index in fold.test).values()) for fold in folds) <= most
    assert {len(fold.test) for fold in folds} <= {60 // count, -(-60 // count)}


def test_a_group_stays_together() -> None:
    groups = [f"image {index // 4}" for index in range(60)]
    for section in (DataSection(), DataSection(validation=0.3), DataSection(fold="2/3")):
        parts = split_samples(groups, None, None, section, "data")
        named = [{groups[index] for index in part} for part in (parts.train, parts.validation, parts.test)]
        assert sum(map(len, named)) == len(set().union(*named)) == 15


def test_what_the_data_say_of_parts_holds() -> None:
    given = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10
    parts = split(DataSection(test=0.5), given)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [40, 10, 10]
    assert parts.to_dict() == {"train": 40, "validation": 10, "test": 10}
    with pytest.raises(InputError, match="data says itself which images choose; --fold 1/5 would choose others"):
        split(DataSection(fold="1/5"), given)


def test_a_part_for_validation_alone_is_held_out_and_chooses_nothing() -> None:
    given = ["train"] * 40 + ["validation"] * 20
    parts = split(DataSection(), given)
    assert (parts.test.tolist(), parts.validation.tolist()) == (list(range(40, 60)), [])
    parts = split(DataSection(validation=0.25), given)
    assert (parts.test.tolist(), len(parts.validation)) == (list(range(40, 60)), 10)


def test_a_fold_beside_a_test_part_chooses() -> None:
    given = [""] * 50 + ["test"] * 10
    parts = split(DataSection(fold="2/5"), given)
    assert (parts.test.tolist(), len(parts.validation), len(parts.train)) == (list(range(50, 60)), 10, 40)


@pytest.mark.parametrize(
    ("section", "given", "message"),
    [
        (DataSection(test=0), None, "nothing of data is held out: data.test is 0"),
        (DataSection(), ["test"] * 60, "data has no training images"),
        (DataSection(fold="1/61"), None, "data has 60 images to split, fewer than 61 folds"),
    ],
)
def test_parts_that_cannot_be(section: DataSection, given: list[str] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split(section, given)


def test_folds_are_read() -> None:
    assert parse_fold("2/5") == (2, 5)
    for text in ("", "2", "/", "0/5", "-1/5", "a/5", "²/5"):
        with pytest.raises(InputError, match="a fold is K/N"):
            parse_fold(text)
