"""What of a model's answers is kept in files: the numbers, and pictures."""

from __future__ import annotations

from pathlib import Path

from archspec.errors import ArchspecError
from runtime.overlay import save_answer
from runtime.predict import Answered, Question, RawOutputs, save_outputs

ANSWER = "answer"


class Keeper:
    """Called with each answered image, draws it into the folder `pictures` at once, as `NUMBER-NAME.png`, and collects
    its numbers for the file `output`: what the network gave, by output name, and the answer as `answer` (unless an
    output is called so): a label's index, a map of class indices, or rows of x, y and score in pixels of the network's
    input.

    Raises ArchspecError where pictures are wanted of a task that has none.
    """

    def __init__(self, question: Question, output: Path | None, pictures: Path | None) -> None:
        if pictures is not None and question.task.name == "labels":
            raise ArchspecError("a label has no picture; --pictures draws class maps and joints")
        self.question, self.output, self.pictures = question, output, pictures
        self.drawn = 0
        self._results: list[RawOutputs] = []

    def __call__(self, answered: Answered) -> None:
        path = answered.answer.path
        if self.output is not None:
            self._results.append(RawOutputs(path, {ANSWER: answered.answer.array} | answered.outputs))
        if self.pictures is not None:
            save_answer(self.pictures, f"{self.drawn}-{Path(path).stem}", answered, self.question.preprocess)
            self.drawn += 1

    def finish(self) -> None:
        """Write the numbers."""
        if self.output is not None:
            save_outputs(self.output, self._results)

    def __str__(self) -> str:
        """What was written, for people."""
        pictures = f"pictures of {self.drawn} in {self.pictures}/" if self.pictures else ""
        return (
            "wrote " + " and ".join(filter(None, (str(self.output or ""), pictures))) if self.output or pictures else ""
        )
