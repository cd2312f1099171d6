"""The data sets of a machine: those with names, and folders of data in the places where they lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import InputError
from runtime.data import known
from runtime.data.inventory import INSIDE, FoundSet, list_sets
from runtime.data.known import KNOWN
from runtime.data.registry import DATASETS, load_data
from tests.support.datasets import write_cifar
from tests.support.folders import write_class_folders, write_mask_pairs


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(known, "SYSTEM", tmp_path / "system")


def by_name(data_dir: Path | None = None) -> dict[str, FoundSet]:
    return {item.name: item for item in list_sets(data_dir)}


def test_every_name_is_listed() -> None:
    found = by_name()
    assert tuple(found) == (*DATASETS, *KNOWN)
    assert [name for name, item in found.items() if item.here] == list(DATASETS)
    assert all(found[name].command for name in KNOWN)
    assert "apt-get install dataset-fashion-mnist" in (found["fashion_mnist"].command or "")


def test_what_is_said_of_the_sets_inside_is_so() -> None:
    for name, (task, described) in INSIDE.items():
        data = load_data(name)
        assert data.task == task
        count = len(data.train) + len(data.test)
        assert f"{count:,}" in described
        assert f"{data.preprocess.size[0]}×{data.preprocess.size[1]}" in described


def test_folders_of_data_are_found_beside(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "mine" / "pets", {"cat": 1, "dog": 1})
    write_mask_pairs(tmp_path / "cache" / "archspec" / "cells", ["a"])
    write_cifar(tmp_path / "mine" / "cifar10")
    (tmp_path / "mine" / "notes").mkdir()
    (tmp_path / "mine" / ".hidden").mkdir()
    found = by_name(tmp_path / "mine")
    assert (found["cifar10"].here, found["cifar10"].place) == (True, str(tmp_path / "mine" / "cifar10"))
    folders = {name: item for name, item in found.items() if name not in (*DATASETS, *KNOWN)}
    assert {Path(name).name: (item.task, item.described) for name, item in folders.items()} == {
        "pets": ("labels", "class folders, 2 files"),
        "cells": ("maps", "pairs of images and masks, 2 files"),
    }
    assert found["cifar10"].to_dict()["command"] is None
    with pytest.raises(InputError, match="gone is no folder: --data-dir names one that holds folders of data"):
        list_sets(tmp_path / "gone")
