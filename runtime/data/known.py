"""Public data sets by name: what they are, where they lie on this machine, and the command that brings one there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from archspec.arrays import Array
from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError
from archspec.files import as_argument
from archspec.log import warn
from runtime.data import cifar, idx
from runtime.data.dataset import ArraySamples
from runtime.data.listing import FolderListing, list_data
from runtime.data.source import DataSource

SYSTEM = Path("/usr/share/datasets")
"""Where Debian's packages put data."""

FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
"""The names of the classes, as the authors have them (Xiao et al., 2017)."""

FASHION_DIGESTS = (
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
)
"""SHA-256 of the unpacked files: the images to train and to test, and their labels. Packed ones differ by packer."""

MNIST_COUNTS = (
    (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
)
"""How many images of each digit MNIST has to train and to test."""

Reader = Callable[[FolderListing, str, OnStep], DataSource]


@dataclass(frozen=True)
class KnownSet:
    """A public data set: what it is called in a folder of data sets, the command that brings it, and how it is read.

    `check` raises InputError where a folder holds another one, and gives the classes' names.
    """

    name: str
    described: str
    folders: tuple[str, ...]
    command: str
    read: Reader
    check: Callable[[DataSource], tuple[str, ...]]


def cache_folder() -> Path:
    """Find the folder where data sets of this user lie: `archspec` in XDG_CACHE_HOME, or in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "archspec"


def list_homes(data_dir: Path | None = None) -> list[Path]:
    """List the folders in which data sets are looked for, in turn: `data_dir`, the user's cache, that of packages."""
    return [*([data_dir] if data_dir is not None else []), cache_folder(), SYSTEM]


def find_known(name: str, data_dir: Path | None = None) -> Path | None:
    """Find the folder of a data set: in `data_dir`, in the user's cache, or where packages put it; None where it is
    nowhere."""
    tried = (home / folder for home in list_homes(data_dir) for folder in KNOWN[name].folders)
    return next((folder for folder in tried if os.path.isdir(folder)), None)


def locate(word: str, data_dir: Path | None) -> str:
    """Write the word of `--data` with the folder where it lies in `data_dir`; as it is where it names no public data
    set, or says the folder itself. Raises InputError where the set is nowhere."""
    if data_dir is None or word not in KNOWN:
        return word
    found = find_known(word, data_dir)
    if found is None:
        raise InputError(tell_missing(word, data_dir))
    return f"{word}:{found}" if found.is_relative_to(data_dir) else word


def open_known(name: str, folder: Path | None, on_step: OnStep = ignore_step) -> DataSource:
    """Read a data set from a folder, or from where it is found. Raises InputError where it is nowhere, or the folder
    holds another one."""
    found = find_known(name) if folder is None else folder
    if found is None:
        raise InputError(tell_missing(name))
    return read_known(name, found, name if folder is None else f"{name}:{folder}", on_step)


def read_known(name: str, folder: Path, word: str, on_step: OnStep = ignore_step) -> DataSource:
    """Read a data set from a folder, or from one in it. Raises InputError where it holds none, or another one."""
    known = KNOWN[name]
    if not os.path.isdir(folder):
        raise InputError(f"{folder} is no folder: expected one that holds {known.described}")
    source = known.read(list_data(folder, on_step), word, on_step)
    return replace(source, classes=known.check(source))


def tell_missing(name: str, data_dir: Path | None = None) -> str:
    """Tell where a data set was looked for, and how it comes there."""
    known, homes = KNOWN[name], ", ".join(map(str, list_homes(data_dir)))
    return (
        f"{name} is not on this machine (looked for {known.folders[0]}/ in {homes}); this brings "
        f"it: {known.command} (or give the folder where it lies: --data {name}:DIR)"
    )


def _read_idx(listing: FolderListing, name: str, on_step: OnStep) -> DataSource:
    if not idx.recognize(listing):
        raise InputError(f"{listing.folder} holds no IDX files: expected {idx.DESCRIBED}")
    return idx.LAYOUT.read(listing, name, on_step)


def _read_cifar(kind: cifar.CifarKind) -> Reader:
    return replace(cifar.LAYOUT, reader=partial(cifar.read, kinds=(kind,))).read


def _check_fashion(source: DataSource) -> tuple[str, ...]:
    if _digest_parts(source) != FASHION_DIGESTS:
        raise InputError(f"{source.name}: these IDX files are not Fashion-MNIST's; for your own give the folder alone")
    return FASHION_CLASSES


def _check_mnist(source: DataSource) -> tuple[str, ...]:
    parts = np.array(source.parts if source.parts is not None else [], object)
    labels = np.array(source.strata)
    counts = [tuple(np.bincount(labels[parts == part]).tolist()) for part in ("train", "test") if len(parts)]
    if tuple(counts) != MNIST_COUNTS:
        raise InputError(f"{source.name}: these IDX files are not MNIST's; for your own give the folder alone")
    return source.classes


def _check_cifar(source: DataSource) -> tuple[str, ...]:
    if len(source.names) != 60_000:
        warn(f"{source.name} holds {len(source.names):,} images, and CIFAR 60,000: figures do not compare with others")
    return source.classes


def _digest_parts(source: DataSource) -> tuple[str, ...]:
    """SHA-256 of the IDX files that hold these images and labels, those to train first."""
    parts = np.array(source.parts if source.parts is not None else [""] * len(source.names), object)
    if not isinstance(source.samples, ArraySamples):
        return ()
    arrays = source.samples.images[:, 0], source.samples.targets.astype(np.uint8)
    return tuple(_digest(array[parts == part]) for array in arrays for part in ("train", "test"))


def _digest(array: Array) -> str:
    header = bytes((0, 0, idx.BYTES, array.ndim)) + b"".join(extent.to_bytes(4, "big") for extent in array.shape)
    return hashlib.sha256(header + array.tobytes()).hexdigest()


_CACHE = "~/.cache/archspec"
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/{train-images-idx3,train-labels-idx1,t10k-images-idx3,t10k-labels-idx1}-ubyte.gz"


def _fetch_cifar(name: str, number: int) -> str:
    place = f"{_CACHE}/{name}"
    archive = f"https://www.cs.toronto.edu/~kriz/cifar-{number}-binary.tar.gz"
    return f"mkdir -p {place} && curl -L {archive} | tar xz -C {place}"


KNOWN: Mapping[str, KnownSet] = MappingProxyType(
    {
        known.name: known
        for known in (
            KnownSet(
                "fashion_mnist",
                "70,000 gray images of 28×28 of ten kinds of clothing, as IDX files",
                ("fashion-mnist", "fashion_mnist", "FashionMNIST"),
                "apt-get install dataset-fashion-mnist, or without root: mkdir -p ~/.cache/archspec && cd "
                "~/.cache/archspec && apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb "
                "fashion_mnist",
                _read_idx,
                _check_fashion,
            ),
            KnownSet(
                "mnist",
                "70,000 gray images of 28×28 of handwritten digits, as IDX files",
                ("mnist", "MNIST"),
                f"curl --create-dirs --output-dir {_CACHE}/mnist -O {as_argument(_MNIST)}",
                _read_idx,
                _check_mnist,
            ),
            KnownSet(
                "cifar10",
                "60,000 colour images of 32×32 of ten kinds of things, as binary files",
                ("cifar10", "cifar-10-batches-bin", "cifar-10"),
                _fetch_cifar("cifar10", 10),
                _read_cifar(cifar.CIFAR10),
                _check_cifar,
            ),
            KnownSet(
                "cifar100",
                "60,000 colour images of 32×32 of a hundred kinds of things, as binary files",
                ("cifar100", "cifar-100-binary", "cifar-100"),
                _fetch_cifar("cifar100", 100),
                _read_cifar(cifar.CIFAR100),
                _check_cifar,
            ),
        )
    }
)
"""The data sets that are known by name and lie in files."""
