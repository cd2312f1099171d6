"""IDX files as MNIST's: read as torchvision reads them, packed or not, and refused where they say what is not there."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.data.idx import LAYOUT, read_idx, recognize
from runtime.data.listing import list_data
from runtime.data.torchvision_import import import_torchvision
from tests.support.datasets import write_idx, write_mnist


@pytest.mark.parametrize("packed", [False, True])
def test_images_and_labels_are_those_of_torchvision(tmp_path: Path, packed: bool) -> None:
    write_mnist(tmp_path / "MNIST" / "raw", packed=packed)
    plain = tmp_path / "plain"
    write_mnist(plain)
    import_torchvision("torchvision.datasets")
    witness = import_module("torchvision.datasets.mnist")
    source = LAYOUT.read(list_data(tmp_path / "MNIST"), "data")
    for part, start, stop in (("train", 0, 20), ("t10k", 20, 30)):
        images = witness.read_image_file(str(plain / f"{part}-images-idx3-ubyte")).numpy()
        labels = witness.read_label_file(str(plain / f"{part}-labels-idx1-ubyte")).numpy()
        for index in range(start, stop):
            image, label = source.samples[index]
            assert np.array_equal(image[0], images[index - start])
            assert label == labels[index - start]
    assert source.parts == ["train"] * 20 + ["test"] * 10
    assert source.classes == tuple("0123456789")
    assert source.names[20] == f"raw/t10k-images-idx3-ubyte{'.gz' if packed else ''}[0]"


def test_unpacked_files_come_before_packed_ones(tmp_path: Path) -> None:
    write_mnist(tmp_path, packed=True)
    write_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"broken")
    assert len(LAYOUT.read(list_data(tmp_path), "data").names) == 30


def test_other_spellings(tmp_path: Path) -> None:
    written = write_mnist(tmp_path / "dashes")
    for name, values in written.items():
        write_idx(tmp_path / "points" / name.replace("-idx", ".idx"), values)
    assert recognize(list_data(tmp_path / "points"))
    assert len(LAYOUT.read(list_data(tmp_path / "points"), "data").names) == 30


def test_a_training_part_alone_is_split(tmp_path: Path) -> None:
    for name, values in write_mnist(tmp_path / "all").items():
        if name.startswith("train"):
            write_idx(tmp_path / "some" / name, values)
    assert LAYOUT.read(list_data(tmp_path / "some"), "data").parts is None


def test_files_that_do_not_go_together(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_mnist(tmp_path / "two" / folder)
    with pytest.raises(InputError, match=r"holds the IDX files of several sets \(a/…, b/…\): name the folder of one"):
        LAYOUT.read(list_data(tmp_path / "two"), "data")
    write_mnist(tmp_path / "short")
    write_idx(tmp_path / "short" / "train-labels-idx1-ubyte", np.zeros(19))
    with pytest.raises(InputError, match="holds 20 images, and train-labels-idx1-ubyte 19 labels"):
        LAYOUT.read(list_data(tmp_path / "short"), "data")
    (tmp_path / "short" / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match="data lacks the labels of the train part; what is looked for is train-images"):
        LAYOUT.read(list_data(tmp_path / "short"), "data")
    write_mnist(tmp_path / "sizes")
    write_idx(tmp_path / "sizes" / "t10k-images-idx3-ubyte", np.zeros((10, 7, 5)))
    with pytest.raises(InputError, match=r"the images of its parts are of two sizes, 6×5 \(height × width\) and 7×5"):
        LAYOUT.read(list_data(tmp_path / "sizes"), "data")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no IDX file of images: it begins with nothing, and not with 00000803"),
        (struct.pack(">4I", 2049, 1, 1, 1) + b"\0", "is no IDX file of images: it begins with 00000801"),
        (struct.pack(">4I", 2051, 2, 3, 4) + bytes(23), "says that it holds 2×3×4 bytes, and there are fewer"),
        (struct.pack(">4I", 2051, 2, 3, 4) + bytes(25), "says that it holds 2×3×4 bytes, and there are more"),
        (struct.pack(">4I", 2051, 1 << 31, 28, 28), "says that it holds .* bytes: that is more than"),
        (struct.pack(">4I", 2051, 1 << 30, 1, 1), "says that it holds 1073741824×1×1 bytes, and there are fewer"),
    ],
)
def test_a_header_is_not_believed(tmp_path: Path, content: bytes, message: str, packed: bool) -> None:
    """And nothing is allocated by what it says."""
    path = tmp_path / "a-images-idx3-ubyte"
    path.write_bytes(gzip.compress(content) if packed else content)
    tracemalloc.start()
    with pytest.raises(InputError, match=message):
        read_idx(path, 3)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_what_gzip_unpacks_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(struct.pack(">4I", 2051, 1, 1, 10) + bytes(50_000_000)))
    tracemalloc.start()
    with pytest.raises(InputError, match="says that it holds 1×1×10 bytes, and there are more"):
        read_idx(path, 3)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_is_told_and_never_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    packed = data.draw(st.booleans())
    path = write_idx(tmp_path / "a", np.arange(60).reshape(3, 4, 5), packed=packed)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    with suppress(InputError):
        assert read_idx(path, 3).dtype == np.uint8


def test_a_description_names_the_classes(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    names = [f"c{number}" for number in range(10)]
    (tmp_path / "data.yaml").write_text(f"classes: [{', '.join(names)}]", encoding="utf-8")
    assert LAYOUT.read(list_data(tmp_path), "data").classes == tuple(names)
    (tmp_path / "data.yaml").write_text("classes: [a, b]", encoding="utf-8")
    with pytest.raises(InputError, match=r"data\.yaml:1:1: 2 classes named, and the labels go up to 9"):
        LAYOUT.read(list_data(tmp_path), "data")
