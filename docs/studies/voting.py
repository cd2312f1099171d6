"""Networks that answer together: their scores, and a picture of where they agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.weights import combine_weights
from compiler.torch_target.module import build_module
from runtime.prediction.sheets import save_sheet
from runtime.tasks.drawing import Areas, OverlaySheet, Tile
from runtime.training.module_outputs import evaluate_module, last_of
from runtime.training.run import Run
from runtime.training.run_folder import WEIGHTS

BACKGROUND = 0
"""The class of a pixel on which not all networks agree."""

MEAN, MOST, ALL = "mean of the outputs", "most of the networks", "all networks agree"
"""The ways to answer together."""

SHOWN = 3
"""The number of images in the picture."""


def measure_votes(folders: Sequence[Path], picture: Path) -> list[dict[str, Any]]:
    """Measure the answers of each network and those of all together on the test images, by the task's scores, and draw
    them for the images on which they agree least."""
    run = Run.open(folders[0])
    truth, grid = run.data.held_out.labels, last_of(run.grids)
    answers = decide_together(folders)
    _draw(run, answers, picture)
    return [{"answer": name, **run.task.score(run.task.count(found, truth, grid))} for name, found in answers.items()]


def decide_together(folders: Sequence[Path]) -> Mapping[str, Array]:
    """Decide the class of each pixel, (N, H, W), by each network, by the mean of their outputs, by most of them, and by
    all of them, where they agree: other pixels are background, as in figure 11.11."""
    answers = {}
    for number, folder in enumerate(folders):
        run = Run.open(folder)
        outputs = last_of(evaluate_module(run.build_module(), run.data.held_out))
        answers[f"network {number}"] = outputs.argmax(1)
    for name, how in ((MEAN, "mean"), (MOST, "vote")):
        graph, weights, _ = combine_weights(run.graph, [folder / WEIGHTS for folder in folders], how)
        outputs = last_of(evaluate_module(build_module(graph, weights), run.data.held_out))
        answers[name] = outputs.argmax(1)
    agreed = np.isclose(outputs.max(1), 1)  # the shares of the vote
    return {**answers, ALL: np.where(agreed, outputs.argmax(1), BACKGROUND)}


def _draw(run: Run, answers: Mapping[str, Array], path: Path) -> None:
    split, torn = run.data.held_out, (answers[MOST] != answers[ALL]).sum((1, 2))
    chosen = np.argsort(-torn, kind="stable")[:SHOWN].tolist()
    tiles = [tile for index in chosen for tile in _lay_tiles(run, index, answers)]
    sheet = OverlaySheet(tiles, "a colour for each class; pixels that are not asked have none")
    save_sheet(path, run.data.preprocess.restore(split.images), sheet, "Five U-Nets that vote")


def _lay_tiles(run: Run, index: int, answers: Mapping[str, Array]) -> Iterator[Tile]:
    truth, grid = run.data.held_out.labels[index], last_of(run.grids)
    yield Tile(index, Areas(np.where(run.task.find_asked(truth), truth, BACKGROUND), grid), f"{index}, true")
    for name, found in answers.items():
        if name != MEAN:
            yield Tile(index, Areas(found[index], grid), name)
