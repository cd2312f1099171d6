"""CIFAR's binary files: images and labels by their records; what is for Python is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.errors import InputError
from runtime.data.cifar import CIFAR10, CIFAR100, LAYOUT, recognize
from runtime.data.listing import list_data
from tests.support.datasets import write_cifar


@pytest.mark.parametrize("classes", [10, 100])
def test_records_are_labels_and_planes(tmp_path: Path, classes: int) -> None:
    images, labels = write_cifar(tmp_path / "inner", classes=classes)
    listing = list_data(tmp_path)
    assert recognize(listing)
    source = LAYOUT.read(listing, "data")
    assert len(source.samples) == len(images)
    for index in range(len(images)):
        image, label = source.samples[index]
        assert np.array_equal(image, images[index])
        assert label == labels[index]
    assert source.parts == ["train"] * (len(images) - 3) + ["test"] * 3
    assert source.classes == tuple(map(str, range(classes)))
    assert source.names[-1] == ("test_batch.bin[2]" if classes == 10 else "test.bin[2]")


def test_a_record_is_as_the_authors_describe_it(tmp_path: Path) -> None:
    """The first 1,024 bytes behind the label are red, row by row, the next green, the last blue."""
    write_cifar(tmp_path, 1)
    record = bytearray(3073)
    record[0], record[1 + 33], record[1 + 1024 + 2], record[1 + 2048 + 1023] = 9, 11, 12, 13
    (tmp_path / "test_batch.bin").write_bytes(record)
    image, label = LAYOUT.read(list_data(tmp_path), "data").samples[5]
    assert label == 9
    assert (image[0, 1, 1], image[1, 0, 2], image[2, 31, 31], image.astype(int).sum()) == (11, 12, 13, 36)


def test_classes_have_the_names_that_the_files_say(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (tmp_path / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    assert LAYOUT.read(list_data(tmp_path), "data").classes == tuple(names)
    (tmp_path / "batches.meta.txt").write_text("too\nfew")
    assert LAYOUT.read(list_data(tmp_path), "data").classes == tuple("0123456789")


@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100])
def test_pickles_are_refused_unread(tmp_path: Path, kind: object) -> None:
    for name in kind.for_python:  # type: ignore[attr-defined]
        (tmp_path / name).write_bytes(b"cos\nsystem\n(S'touch gone'\ntR.")
    assert recognize(list_data(tmp_path))
    with pytest.raises(
        InputError, match="holds CIFAR as Python's own objects, which may run any code when they are read"
    ):
        LAYOUT.read(list_data(tmp_path), "data")


def test_damage_is_told(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    whole = (tmp_path / "data_batch_3.bin").read_bytes()
    (tmp_path / "data_batch_3.bin").write_bytes(whole[:-1])
    with pytest.raises(
        InputError, match=r"data_batch_3\.bin has 9,218 bytes, which are no whole number of records of 3,07"
    ):
        LAYOUT.read(list_data(tmp_path), "data")
    (tmp_path / "data_batch_3.bin").write_bytes(whole[:3073] + b"\x0a" + whole[3074:])
    with pytest.raises(InputError, match=r"data_batch_3\.bin says that image 1 is of class 10, and there are 10"):
        LAYOUT.read(list_data(tmp_path), "data")
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(InputError, match=r"cannot read .*data_batch_3\.bin: No such file"):
        LAYOUT.read(list_data(tmp_path), "data")
    (tmp_path / "test_batch.bin").unlink()
    assert not recognize(list_data(tmp_path))
    with pytest.raises(InputError, match="holds none of CIFAR's binary files: expected data_batch_1"):
        LAYOUT.read(list_data(tmp_path), "data")
