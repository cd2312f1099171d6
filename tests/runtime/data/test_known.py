"""Public data sets by name: found where they lie, told how they come there, and checked to be what they are called."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from archspec.errors import InputError
from runtime.data import known
from runtime.data.known import KNOWN, MNIST_COUNTS, find_known, locate, read_known, tell_missing
from runtime.data.opening import open_data
from runtime.data.registry import DATASETS
from tests.support.datasets import needs_fashion_mnist, write_cifar, write_idx, write_mnist


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without data sets, but for the tests of the real ones."""
    if "real" not in request.node.name:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(known, "SYSTEM", tmp_path / "system")


def test_each_has_a_name_of_its_own() -> None:
    assert not set(KNOWN) & set(DATASETS)


def test_folders_are_looked_for_in_turn(tmp_path: Path) -> None:
    assert find_known("mnist", tmp_path) is None
    for home in (tmp_path / "system", tmp_path / "cache" / "archspec", tmp_path / "mine"):
        (home / "mnist").mkdir(parents=True)
        assert find_known("mnist", tmp_path / "mine") == home / "mnist"
    assert find_known("mnist") == tmp_path / "cache" / "archspec" / "mnist"


def test_what_is_missing_is_told_with_what_brings_it(tmp_path: Path) -> None:
    told = tell_missing("fashion_mnist", tmp_path)
    assert "apt-get install dataset-fashion-mnist" in told
    assert "apt-get download dataset-fashion-mnist && dpkg -x" in told
    assert str(tmp_path / "system") in told
    with pytest.raises(InputError, match=r"fashion_mnist is not on this machine .*this brings it: apt-get install"):
        open_data("fashion_mnist")
    with pytest.raises(InputError, match="no data set 'fashion_mnst'; did you mean 'fashion_mnist'"):
        open_data("fashion_mnst")


def test_a_set_from_a_folder_of_its_own_is_named_with_it(tmp_path: Path) -> None:
    images, _ = write_cifar(tmp_path / "mine" / "cifar10")
    word = locate("cifar10", tmp_path / "mine")
    data = open_data(word)
    assert word == data.name
    assert (data.name, len(data.train), len(data.test)) == (f"cifar10:{tmp_path / 'mine' / 'cifar10'}", 15, 3)
    assert np.array_equal(data.test[0][0], images[15])
    assert open_data(f"cifar10:{tmp_path / 'mine'}").name == f"cifar10:{tmp_path / 'mine'}"
    write_cifar(tmp_path / "cache" / "archspec" / "cifar10")
    assert open_data("cifar10").name == "cifar10"
    assert locate("cifar10", tmp_path / "nothing") == "cifar10", "it lies where everybody looks"
    assert [locate(word, tmp_path) for word in ("digits", "cifar10:x", "dir")] == ["digits", "cifar10:x", "dir"]
    with pytest.raises(InputError, match=f"mnist is not on this machine .looked for mnist/ in {tmp_path}, "):
        locate("mnist", tmp_path)


def test_few_images_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_cifar(tmp_path, classes=100)
    with caplog.at_level(logging.WARNING):
        read_known("cifar100", tmp_path, "cifar100")
    assert "cifar100 holds 6 images, and CIFAR 60,000: figures do not compare" in caplog.text


def test_another_set_is_not_taken_for_the_one_that_is_named(tmp_path: Path) -> None:
    write_mnist(tmp_path / "idx")
    for name, told in (("fashion_mnist", "Fashion-MNIST's"), ("mnist", "MNIST's")):
        with pytest.raises(InputError, match=f"these IDX files are not {told}; for your own give the folder alone"):
            open_data(f"{name}:{tmp_path / 'idx'}")
    assert len(open_data(tmp_path / "idx").train) == 20
    write_cifar(tmp_path / "cifar")
    for name in ("cifar100", "mnist"):
        with pytest.raises(InputError, match=r"holds no(ne of CIFAR's binary| IDX) files: expected"):
            open_data(f"{name}:{tmp_path / 'cifar'}")
    with pytest.raises(InputError, match="gone is no folder: expected one that holds 60,000 colour images"):
        open_data(f"cifar10:{tmp_path / 'gone'}")


def test_mnist_is_known_by_how_many_there_are_of_each_digit(tmp_path: Path) -> None:
    """The counts are those that its paper's page gives; 60,000 and 10,000 in all."""
    assert [sum(counts) for counts in MNIST_COUNTS] == [60_000, 10_000]
    for part, counts in zip(("train", "t10k"), MNIST_COUNTS, strict=True):
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", np.repeat(np.arange(10), counts))
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", np.arange(4 * sum(counts)).reshape(-1, 2, 2) % 256)
    assert open_data(f"mnist:{tmp_path}").classes == tuple("0123456789")


@needs_fashion_mnist
def test_real_fashion_mnist_is_what_everybody_quotes() -> None:
    """Mean 0.2860 and deviation 0.3530 of the training images; 6,000 and 1,000 images of each class."""
    data = open_data("fashion_mnist")
    assert (data.classes[0], data.classes[9], len(data.train), len(data.test)) == (
        "T-shirt/top",
        "Ankle boot",
        60_000,
        10_000,
    )
    assert [round(data.preprocess.mean[0], 4), round(data.preprocess.std[0], 4)] == [0.2860, 0.3530]
    assert data.preprocess.shape == (1, 28, 28)
    for samples, count in ((data.train, 6000), (data.test, 1000)):
        assert np.bincount(samples.targets).tolist() == [count] * 10  # type: ignore[attr-defined]
    assert data.train[0][1] == 9, "the first is an ankle boot"
