"""Kinds of files by their first bytes, for messages where another kind was expected."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from archspec.errors import InputError

HEAD = 512
"""The number of bytes that are looked at."""

ONNX = "an ONNX model"
TORCH = "a file of torch.save"
SAFETENSORS = "a safetensors file"
GZIP = "a gzip archive"
ZIP = "a zip archive"
TORCH_SCRIPT = "a TorchScript module"
TORCH_EXPORT = "a program of torch.export"
INDEX = "an index of shards"

ARRAY = "a NumPy array"

_STARTS = (
    (b"\x1f\x8b", GZIP),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", ARRAY),
    (b"%PDF-", "a PDF document"),
)


class PictureKind(NamedTuple):
    """A format of pictures: how names end, and of which bytes, by their places, one set is in a file."""

    name: str
    endings: tuple[str, ...]
    marks: tuple[dict[int, bytes], ...] = ()

    @property
    def described(self) -> str:
        return f"{'an' if self.name == 'AVIF' else 'a'} {self.name} picture"

    def matches(self, head: bytes) -> bool:
        """True if a file that begins with these bytes is of this kind."""
        return any(all(head.startswith(mark, place) for place, mark in marks.items()) for marks in self.marks)


READ_PICTURES = (
    PictureKind("PNG", (".png",), ({0: b"\x89PNG\r\n\x1a\n"},)),
    PictureKind("JPEG", (".jpg", ".jpeg"), ({0: b"\xff\xd8\xff"},)),
)
"""The pictures that networks are given."""

OTHER_PICTURES = (
    PictureKind("AVIF", (".avif",), ({4: b"ftypavif"}, {4: b"ftypavis"})),
    PictureKind("BMP", (".bmp",), ({0: b"BM", 6: b"\0\0\0\0"},)),
    PictureKind("DICOM", (".dcm",), ({128: b"DICM"},)),
    PictureKind("GIF", (".gif",), ({0: b"GIF87a"}, {0: b"GIF89a"})),
    PictureKind("HEIC", (".heic", ".heif"), ({4: b"ftyphei"}, {4: b"ftypmif1"})),
    PictureKind("JPEG 2000", (".jp2",), ({0: b"\0\0\0\x0cjP  "},)),
    PictureKind("JPEG XL", (".jxl",), ({0: b"\xff\x0a"}, {0: b"\0\0\0\x0cJXL "})),
    PictureKind("PGM", (".pgm",)),
    PictureKind("PPM", (".ppm",)),
    PictureKind("TIFF", (".tif", ".tiff"), ({0: b"II*\0"}, {0: b"MM\0*"})),
    PictureKind("WebP", (".webp",), ({0: b"RIFF", 8: b"WEBP"},)),
)
"""The names of pictures that are told of, by their first bytes. PGM and PPM begin as text may."""

ENDINGS = frozenset(ending for kind in READ_PICTURES + OTHER_PICTURES for ending in kind.endings) | {
    *(".onnx", ".pt", ".pth", ".pt2", ".ckpt", ".safetensors", ".npy", ".npz", ".h5"),
    *(".yaml", ".yml", ".json", ".jsonl", ".html", ".svg", ".pdf", ".md", ".zip", ".gz"),
}
"""The endings of names that say of what kind a file is."""

_FIELDS = tuple(bytes((key,)) for key in b"\x12\x1a\x22\x28\x32\x3a\x42\x72")
"""The bytes that follow the version in a model that is written as protobuf."""


def tell_file_type(head: bytes) -> str | None:
    """Tell what kind of file begins with these bytes; None where that is text, or not known."""
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32:
        return SAFETENSORS
    if head[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return TORCH  # as torch.save wrote before it wrote archives
    if head[:4] == b"PK\x03\x04":
        return _tell_archive(head)
    if head.lstrip()[:1] == b"{" and b'"weight_map"' in head:
        return INDEX
    if head[:1] == b"\x08" and b"\0" < head[1:2] < b"\x20" and head[2:3] in _FIELDS:
        return ONNX
    pictures = (kind.described for kind in READ_PICTURES + OTHER_PICTURES if kind.matches(head))
    return next((kind for start, kind in _STARTS if head.startswith(start)), next(pictures, None))


def _tell_archive(head: bytes) -> str:
    """Tell which zip archive, by the name of its first file."""
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if re.fullmatch(rb"[^/]+/data/[0-9]+", first):
        return TORCH_SCRIPT
    if re.match(rb"[^/]+/(data/weights/|archive_format$)", first):
        return TORCH_EXPORT
    return TORCH if b".pkl" in head else ZIP


def find_file_type(path: str | Path) -> str | None:
    """Find the kind of a file; None where that is text, not known, or cannot be read."""
    try:
        with open(path, "rb") as file:
            return tell_file_type(file.read(HEAD))
    except (OSError, ValueError):
        return None


def is_onnx(path: str | Path) -> bool:
    """True if this names an ONNX model: by its ending, or else by its first bytes."""
    return Path(path).suffix.lower() == ".onnx" or (os.path.isfile(path) and find_file_type(path) == ONNX)


def check_says_its_kind(path: str | Path, what: str, ending: str) -> None:
    """Raises InputError where the name of a file to write says that it is something else. Another ending, or none,
    says nothing."""
    found = Path(path).suffix.lower()
    if found in ENDINGS and found != ending:
        raise InputError(
            f"{path} is to hold {what}, and {found} says something else: name it {Path(path).stem}{ending}"
        )


def advise(kind: str | None, path: str | Path) -> str:
    """Say what to do with a file of this kind, where a spec or a model was expected."""
    if kind in (TORCH, SAFETENSORS):
        return f": `archspec export SPEC --weights {path}` makes a model of weights"
    if kind == ONNX:
        return ": `archspec analyze`, `diff`, `verify`, `run`, `bench` and `tune` take models, also those of others"
    return advise_unpacking(kind, path)


def advise_unpacking(kind: str | None, path: str | Path) -> str:
    """Say what to do with a file that has something else in it, whatever was expected."""
    if kind == INDEX:
        return ": the shards hold the weights; join their tensors in one file (safetensors.torch: load_file, save_file)"
    loaded = {
        TORCH_SCRIPT: f"torch.jit.load({str(path)!r}).state_dict()",
        TORCH_EXPORT: f"torch.export.load({str(path)!r}).state_dict",
    }
    if kind in loaded:
        return f": torch.save({loaded[kind]}, 'weights.pth') writes its weights alone"
    return ": unpack it first" if kind == GZIP else ""
