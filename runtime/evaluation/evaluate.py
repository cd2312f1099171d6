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
from archspec.errors import ModelError
from archspec.extras import extra
from archspec.log import warn
from archspec.replacing import PNG, check_gives_way
from compiler.onnx_file.metadata import MEMBERS, tell_epoch
from compiler.onnx_file.metadata import WEIGHTS as WEIGHTS_HASH
from runtime.data.dataset import Dataset
from runtime.evaluation.monte_carlo import MonteCarlo, measure_monte_carlo
from runtime.measuring.bench import bench
from runtime.prediction.png import save_picture, to_pixels
from runtime.prediction.predict import compute_outputs
from runtime.prediction.sheets import save_sheet
from runtime.session.session import Session
from runtime.tasks.grid import OutputGrid
from runtime.tasks.registry import find_task
from runtime.training.module_outputs import evaluate_module, last_of
from runtime.training.run import Run
from runtime.training.run_folder import MODEL, PICTURE, SAMPLES, WEIGHTS, name_sample, write_export
from runtime.verification.differences import compare

with extra("run"):
    from compiler.onnx_target.model import digest_weights

with extra("train"):
    from PIL import Image
    from torch import nn


TIMED_BATCHES = (1, 32)

MAX_SAMPLES = 10
"""The largest number of samples of a data set whose images have no class."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """torch and ONNX Runtime on the same held-out images.

    The scores are the task's metrics, of the last output. Of all `predictions`, one for each of what is `asked`
    (images, pixels, joints), so many are equal. Differences are between the numbers of all outputs: the largest
    absolute one, and the largest over torch's largest number of the same output. `ms_per_image` is ONNX Runtime's
    median time of a run over its batch, by batch. `same_weights` says whether the file was made from the run's weights,
    by what it says itself; None where it does not, or is an ensemble.
    """

    data: str
    task: str
    provider: str
    notice: str | None
    test_images: int
    scores_torch: dict[str, float]
    scores_onnx: dict[str, float]
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

    def to_dict(self) -> dict[str, Any]:
        """Each score stands under its metric's name and its side: `accuracy_torch`, `accuracy_onnx`."""
        row: dict[str, Any] = {}
        for key, value in dataclasses.asdict(self).items():
            if key in ("scores_torch", "scores_onnx"):
                row |= {f"{name}_{key.removeprefix('scores_')}": score for name, score in value.items()}
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
    same_weights = _compare_weights(run, session)
    module = run.build_module()
    found = _compare_answers(run, module, session)
    chances = _measure_chances(run, module, found.grid, settings)
    times = _time_batches(session, settings.seconds)
    sheet = run.task.illustrate(found.answers, data.test.labels, data.classes, found.grid)
    save_sheet(run.folder / PICTURE, data.preprocess.restore(data.test.images), sheet, f"{data.name}, held out")
    _save_samples(samples, data)
    return Evaluation(
        data=data.name,
        task=run.task.name,
        provider=session.provider,
        notice=session.notice,
        test_images=len(data.test),
        scores_torch=found.scores_torch,
        scores_onnx=found.scores_onnx,
        asked=run.task.asked,
        predictions=found.predictions,
        equal_predictions=found.equal,
        largest_difference=max(absolute for absolute, _ in found.differences),
        relative_difference=max(relative for _, relative in found.differences),
        ms_per_image=times,
        file_bytes=(run.folder / MODEL).stat().st_size,
        picture=str(run.folder / PICTURE),
        samples=tuple(map(str, samples.values())),
        same_weights=same_weights,
        monte_carlo=chances,
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Comparison:
    """The answers of the file (N, ...) in the last output, which lies on the images by `grid`; how many of them are
    those of the network in torch, the scores of both, and the `differences` of each output as `_compare_output` has
    them."""

    answers: Array
    grid: OutputGrid
    predictions: int
    equal: int
    scores_torch: dict[str, float]
    scores_onnx: dict[str, float]
    differences: list[tuple[float, float]]


def _compare_answers(run: Run, module: nn.Module, session: Session) -> _Comparison:
    task, test = run.task, run.data.test
    expected = evaluate_module(module, test)
    found = _rename(compute_outputs(session, test.images), expected)
    differences = [_compare_output(session, name, expected[name], found[name]) for name in expected]
    grid = task.place(run.data.preprocess.shape, last_of(expected).shape[1:], run.stride)
    before, after = (task.decide(last_of(outputs), grid) for outputs in (expected, found))
    equal, predictions = task.count_equal(before, after)
    scores = [task.score(task.count(answers, test.labels, grid)) for answers in (before, after)]
    return _Comparison(after, grid, predictions, equal, scores[0], scores[1], differences)


def _measure_chances(run: Run, module: nn.Module, grid: OutputGrid, settings: EvaluationSettings) -> MonteCarlo | None:
    if settings.monte_carlo is None:
        return None
    return measure_monte_carlo(module, run.data, grid, settings.monte_carlo, settings.mc_batch)


def _time_batches(session: Session, seconds: float) -> dict[int, float]:
    """Milliseconds per image by batch: by those of TIMED_BATCHES, or by the only one that the file takes."""
    rows = bench(session, None if session.fixed_batch else TIMED_BATCHES, seconds=seconds)
    return {batch: row.p50_ms / batch for row in rows if (batch := row.batch or session.fixed_batch)}


def _save_samples(paths: Mapping[int, Path], data: Dataset) -> None:
    for index, path in paths.items():
        save_picture(path, Image.fromarray(to_pixels(data.preprocess.restore(data.test.images[index]))))


def _name_samples(folder: str | Path, data: Dataset) -> dict[int, Path]:
    """Where samples are written, by their indices."""
    named = find_task(data.task).choose_samples(data.test.labels, data.classes, MAX_SAMPLES)
    return {index: Path(folder) / name_sample(index, label) for index, label in named.items()}


def _compare_weights(run: Run, session: Session) -> bool | None:
    """Whether a model says that it was made from the run's weights; None of an ensemble, and where it does not say.
    What is wrong with either is told."""
    said, same = WEIGHTS_HASH.read(session.metadata), None
    if said is not None and MEMBERS not in session.metadata:
        same = said == digest_weights({name: np.asarray(array, np.float32) for name, array in run.weights.items()})
    weights = run.folder / WEIGHTS
    if same is False:
        warn(f"{session.path} is of other weights than {weights}; export it again: {write_export(run.folder)}")
    if unfinished := tell_epoch(run.metadata):
        warn(f"{weights}: {unfinished}")
    return same


def _rename(found: dict[str, Array], expected: Mapping[str, Array]) -> dict[str, Array]:
    """The file's outputs under the module's names; the only one of both may have two names."""
    if len(found) == len(expected) == 1:
        return dict(zip(expected, found.values(), strict=True))
    if found.keys() != expected.keys():
        raise ModelError(f"{MODEL} gives {', '.join(found)}; the module {', '.join(expected)}")
    return found


def _compare_output(session: Session, name: str, expected: Array, found: Array) -> tuple[float, float]:
    """The largest difference, and that relative to the largest expected number."""
    if expected.shape != found.shape:
        shapes = [", ".join(map(str, array.shape[1:])) for array in (found, expected)]
        raise ModelError(f"{session.path} gives ({shapes[0]}) per image in '{name}', the module ({shapes[1]})")
    return float(np.abs(expected - found).max()), compare(expected, found)
