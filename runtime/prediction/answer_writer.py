"""What of a model's answers is kept in files: the numbers, and pictures."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from archspec.arrays import Array
from archspec.errors import InputError
from archspec.files import write_whole
from archspec.wording import escape_controls, tell_count
from runtime.pictures.file import Ground
from runtime.prediction.answer_pictures import check_folder, remove_drawn, save_answer, save_key
from runtime.prediction.answered import Answered, RawOutputs
from runtime.prediction.task_spec import TaskSpec

ANSWER, FILES = "answer", "files"


class NumbersFile:
    """A .npz to which the arrays of several images are written as they come.

    Those of the image `files[N]` stand under `N.NAME`, those of an only one under NAME, each in its own type. Without
    a path, or where nothing comes, nothing is written.
    """

    def __init__(self, path: Path | None, stack: ExitStack) -> None:
        self.path = path
        self._stack = stack
        self._files: list[str] = []
        self._first: RawOutputs | None = None
        self._archive: zipfile.ZipFile | None = None

    def add(self, result: RawOutputs) -> None:
        """Write the arrays of one more image, each when it is known whether it is the only one."""
        if self.path is None:
            return
        if self._first is None:
            self._first = result
        else:
            if len(self._files) == 1:
                self._write("0.", self._first.arrays)
            self._write(f"{len(self._files)}.", result.arrays)
        self._files.append(result.path)

    def finish(self) -> None:
        """Write what there is to write at the end."""
        if self._first is None:
            return
        paths = {FILES: np.array(self._files)}
        self._write("", paths if len(self._files) > 1 else paths | self._first.arrays)

    def __str__(self) -> str:
        """The file, if something is in it."""
        return str(self.path) if self._files else ""

    def _write(self, prefix: str, arrays: dict[str, Array]) -> None:
        if self._archive is None:
            assert self.path is not None
            temporary = self._stack.enter_context(write_whole(self.path))
            self._archive = self._stack.enter_context(zipfile.ZipFile(temporary, "w"))
        for name, array in arrays.items():
            with self._archive.open(f"{prefix}{escape_controls(name)}.npy", "w", force_zip64=True) as file:
                texts = array.dtype.kind == "O"
                np.lib.format.write_array(file, array.astype(str) if texts else array, allow_pickle=False)


@contextmanager
def open_numbers(path: Path | None) -> Iterator[NumbersFile]:
    """Open a .npz that gets its name when all is written, and leaves an older one alone if that fails."""
    with ExitStack() as stack:
        numbers = NumbersFile(path, stack)
        yield numbers
        numbers.finish()


class AnswerWriter:
    """A function of each answered image, which adds its numbers to the file: the outputs by name, and the answer as
    `answer` (unless an output is called so): a label's index, a map of class indices, or rows of x, y and score, in the
    image's own pixels. Draws it into the folder `pictures` at once, as `NUMBER-NAME.png`; those that an earlier run
    drew there are removed when the first is drawn.

    Raises InputError where pictures are wanted of a task that has none, or in a folder of other files.
    """

    def __init__(
        self, spec: TaskSpec, numbers: NumbersFile, pictures: Path | None, ground: Ground | None = None
    ) -> None:
        if pictures is not None and not spec.task.has_picture:
            raise InputError("a label has no picture: leave --pictures out, which draws class maps and joints")
        if pictures is not None:
            check_folder(pictures)
        self.spec, self.pictures, self.ground = spec, pictures, ground
        self.drawn = self.removed = 0
        self._numbers = numbers

    def __call__(self, answered: Answered) -> None:
        path = answered.answer.path
        self._numbers.add(RawOutputs(path, {ANSWER: answered.answer.array} | answered.outputs))
        if self.pictures is not None:
            if not self.drawn:
                self.removed = remove_drawn(self.pictures)
                save_key(self.pictures, self.spec.task, answered.names)
            name = f"{self.drawn}-{Path(path).stem}"
            save_answer(self.pictures, name, answered, self.spec.preprocess, self.ground)
            self.drawn += 1

    def __str__(self) -> str:
        """The words for what was written; none where nothing was."""
        pictures = f"pictures of {self.drawn} in {self.pictures}/" if self.drawn else ""
        pictures += f", in place of {tell_count(self.removed, 'older one')}" if self.removed else ""
        written = [text for text in (str(self._numbers), pictures) if text]
        return escape_controls(f"wrote {' and '.join(written)}") if written else ""
