"""Label volumes in a folder: each on the grid of the file that it is of, under that file's name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from archspec.errors import InputError
from archspec.wording import escape_controls, tell_count
from runtime.data.volumes.answer_file import name_answer, write_labels
from runtime.prediction.answered import Answered
from runtime.prediction.reader import Failure
from runtime.prediction.volumes import VolumeImage, list_volumes


class VolumeWriter:
    """A function of each answered volume, which writes its labels into `folder`, as a file of the same kind.

    Raises InputError, before anything is answered, where a file of that name is there already, or two of the `paths`
    would have one.
    """

    def __init__(self, folder: Path, paths: Iterable[str | Path]) -> None:
        self.folder, self.written = folder, 0
        named: dict[Path, Path] = {}
        for path in list_volumes(paths):
            if isinstance(path, Failure):
                continue
            place = name_answer(folder, path)
            if os.path.lexists(place):
                raise InputError(f"{place} is there already: name another folder for the labels of {path}")
            if place in named:
                raise InputError(f"the labels of {named[place]} and of {path} would both be {place}: run them apart")
            named[place] = path

    def __call__(self, answered: Answered) -> None:
        image = answered.input
        assert isinstance(image, VolumeImage)
        write_labels(name_answer(self.folder, image.path), answered.answer.array, image.volume)
        self.written += 1

    def __str__(self) -> str:
        """The words for what was written; none where nothing was."""
        volumes = tell_count(self.written, "label volume")
        return escape_controls(f"wrote {volumes} into {self.folder}") if self.written else ""
