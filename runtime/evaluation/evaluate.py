"""A trained run, held against its exported file on the images that neither has seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.bounds import MC_BATCH
from archspec.extras import extra
from archspec.replacing import PNG, check_gives_way
from runtime.data.dataset import Dataset
from runtime.evaluation.comparison import compare_answers
from runtime.evaluation.monte_carlo import MonteCarlo, measure_monte_carlo
from runtime.measuring.bench import bench
from runtime.pictures.preprocess import LEVELS
from runtime.prediction.png import save_picture, to_pixels
from runtime.prediction.sheets import save_sheet
from runtime.prediction.slices import lay_slices
from runtime.session.session import Session
from runtime.tasks.registry import find_task
from runtime.tasks.task import ClassScore
from runtime.training.run import Run
from runtime.training.run_folder import MODEL, PICTURE, SAMPLES, name_sample

with extra("train"):
    from PIL import Image


TIMED_BATCHES = (1, 32)

MAX_SAMPLES = 10
"""The largest number of samples of a data set whose images have no class."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """torch and ONNX Runtime on the same held-out images.

    The scores are the task's metrics, of the last output, and `classes` those of each class, or joint, in ONNX Runtime;
    they are none for a task without classes. Of all `predictions`, one for each of what is `asked`
    (images, pixels, joints), so many are equal. Differences are between the numbers of all outputs: the largest
    absolute one, and the largest over torch's largest number of the same output. `ms_per_image` is ONNX Runtime's
    median time of a run over its batch, by batch. `same_weights` says whether the file was made from the run's weights,
    by what it says itself; None where it does not, or is an ensemble. `mirrors` are the axes along which the run's
    recipe has images mirrored too, to average the answers; then the `unmirrored` scores are those of torch and of ONNX
    Runtime for each image alone, as `archspec run` answers.
    """

    data: str
    task: str
    provider: str
    notice: str | None
    test_images: int
    scores_torch: dict[str, float]
    scores_onnx: dict[str, float]
    classes: tuple[ClassScore, ...]
    asked: str
    predictions: int
    equal_predictions: int
    largest_difference: float
    relative_difference: float
    ms_per_image: dict[int, float]
    file_bytes: int
    picture: str
    samples: tuple[str, ...]
    same_weights: bool | None
    monte_carlo: MonteCarlo | None = None
    mirrors: tuple[str, ...] = ()
    unmirrored: tuple[dict[str, float], dict[str, float]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as JSON's types, each score under its metric's name and its side: `accuracy_torch`,
        `accuracy_onnx`, and `accuracy_unmirrored_torch` where there are such."""
        row: dict[str, Any] = {}
        for key, value in dataclasses.asdict(self).items():
            if key in ("scores_torch", "scores_onnx"):
                row |= {f"{name}_{key.removeprefix('scores_')}": score for name, score in value.items()}
            elif key == "unmirrored":
                sides = zip(("torch", "onnx"), value or (), strict=False)
                row |= {f"{name}_{key}_{side}": score for side, found in sides for name, score in found.items()}
            elif key == "classes":
                row[key] = [item.to_dict() for item in self.classes]
            elif key != "monte_carlo" or value is not None:
                row[key] = value
        return row


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """The choices of an evaluation.

    The run's file runs on the first of the `providers` that works, with so many `threads`, as a Session takes them;
    `seconds` are spent on timing each batch. `monte_carlo` is a number of passes with the batch statistics of
    `mc_batch` training images each; None measures none.
    """

    providers: Sequence[str] | None = None
    threads: int | None = None
    seconds: float = 1.0
    monte_carlo: int | None = None
    mc_batch: int = MC_BATCH


def evaluate_run(run: Run, settings: EvaluationSettings | None = None) -> Evaluation:
    """Compare a run's network in torch with its model.onnx, draw predictions.png, and write a few samples as PNG.

    Raises ArchspecError where the model is missing or answers something else than the network, and where a picture
    would take the place of one that somebody else drew.
    """
    settings, data = settings or EvaluationSettings(), run.data
    samples = _name_samples(run.folder / SAMPLES, data)
    for path in (run.folder / PICTURE, *samples.values()):
        check_gives_way(path, PNG)
    session = Session(run.folder / MODEL, providers=settings.providers, threads=settings.threads)
    module = run.build_module()
    found = compare_answers(run, module, session)
    passes, chances = settings.monte_carlo, None
    if passes is not None:
        chances = measure_monte_carlo(module, data, found.grid, passes, settings.mc_batch)
    times = _time_batches(session, settings.seconds)
    sheet = run.task.illustrate(found.answers, data.held_out.labels, data.classes, found.grid)
    save_sheet(run.folder / PICTURE, data.preprocess.restore(data.held_out.images), sheet, f"{data.name}, held out")
    save_samples(samples, data)
    return Evaluation(
        data=data.name,
        task=run.task.name,
        provider=session.provider,
        notice=session.notice,
        test_images=len(data.test),
        scores_torch=found.scores_torch,
        scores_onnx=found.scores_onnx,
        classes=found.classes,
        asked=run.task.asked,
        predictions=found.predictions,
        equal_predictions=found.equal,
        largest_difference=max(absolute for absolute, _ in found.differences),
        relative_difference=max(relative for _, relative in found.differences),
        ms_per_image=times,
        file_bytes=(run.folder / MODEL).stat().st_size,
        picture=str(run.folder / PICTURE),
        samples=tuple(map(str, samples.values())),
        same_weights=found.same_weights,
        monte_carlo=chances,
        mirrors=run.mirrors,
        unmirrored=found.unmirrored,
    )


def _time_batches(session: Session, seconds: float) -> dict[int, float]:
    """Measure the milliseconds per image by batch: by those of TIMED_BATCHES, or by the only one that the file
    takes."""
    rows = bench(session, None if session.fixed_batch else TIMED_BATCHES, seconds=seconds)
    return {batch: row.p50_ms / batch for row in rows if (batch := row.batch or session.fixed_batch)}


def save_samples(paths: Mapping[int, Path], data: Dataset) -> None:
    """Write the held-out images of some indices as they are stored, so that `run` prepares them as they were prepared
    here; of volumes, and of values that no picture has, what the network saw."""
    for index, path in paths.items():
        stored = np.asarray(data.test[index][0])
        if stored.dtype in LEVELS and stored.ndim == 3 and len(stored) in (1, 3):
            save_picture(path, _draw_levels(stored))
            continue
        image = data.preprocess.restore(data.held_out.images[index])
        save_picture(path, Image.fromarray(to_pixels(lay_slices(image) if image.ndim == 4 else image)))


def _draw_levels(levels: Array) -> Image.Image:
    """A picture of levels (1 or 3, H, W), of 16 bits where it is gray: Pillow has no such colours."""
    if levels.dtype == np.uint16 and len(levels) == 3:
        return Image.fromarray(to_pixels(levels / np.float32(LEVELS[levels.dtype])))
    return Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(np.moveaxis(levels, 0, 2)))


def _name_samples(folder: str | Path, data: Dataset) -> dict[int, Path]:
    """Name where samples are written, by their indices."""
    named = find_task(data.task).choose_samples(data.held_out.labels, data.classes, MAX_SAMPLES)
    return {index: Path(folder) / name_sample(index, label) for index, label in named.items()}
