"""What became of the images of files: an answer, plain numbers, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.arrays import Array
from archspec.errors import ArchspecError
from runtime.pictures.frame import Frame
from runtime.pictures.reading import PictureReading
from runtime.tasks.task import Answer


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredFile:
    """A file, and how many images it holds."""

    path: str
    images: int


@dataclass(frozen=True, slots=True, eq=False)
class InputImage:
    """One image of a file, by its number there, as the network reads it, (C, *extents), and where its own pixels lie on
    that; `reading` says how it was read if it is a picture."""

    source: AnsweredFile
    number: int
    image: Array
    frame: Frame
    reading: PictureReading | None = None

    @property
    def path(self) -> str:
        """The file, with the image's number behind it where that holds several."""
        return f"{self.source.path}[{self.number}]" if self.source.images > 1 else self.source.path


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """One image, what the network gave for it, by output name, the names of the answering channels, and the answer."""

    input: InputImage
    outputs: dict[str, Array]
    names: tuple[str, ...]
    answer: Answer

    def to_dict(self) -> dict[str, Any]:
        return self.answer.to_dict() | _describe(self.input.reading)


@dataclass(frozen=True, slots=True, eq=False)
class Unanswered:
    """One image, and why it has no answer."""

    input: InputImage
    error: ArchspecError


@dataclass(frozen=True, slots=True, eq=False)
class RawOutputs:
    """The outputs of a model for one .npy file, or for one image: arrays by name."""

    path: str
    arrays: dict[str, Array]
    reading: PictureReading | None = None

    def to_dict(self) -> dict[str, Any]:
        outputs = {name: array.tolist() for name, array in self.arrays.items()}
        return {"path": self.path, "outputs": outputs} | _describe(self.reading)

    def summarize(self) -> dict[str, Any]:
        """Write the answer with the shape, mean, least and largest of each output; None where it has no numbers."""
        outputs = {name: _summarize(array) for name, array in self.arrays.items()}
        return {"path": self.path, "outputs": outputs} | _describe(self.reading)


def _describe(reading: PictureReading | None) -> dict[str, Any]:
    return reading.to_dict() if reading else {}


def _summarize(array: Array) -> dict[str, Any]:
    numbers = array.size and array.dtype.kind in "biuf"
    figures = (float(array.mean()), float(array.min()), float(array.max())) if numbers else (None,) * 3
    return {"shape": list(array.shape), **dict(zip(("mean", "min", "max"), figures, strict=True))}
