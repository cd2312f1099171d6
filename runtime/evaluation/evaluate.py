"""A trained run, held against its exported file on the images that neither has seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError
from archspec.extras import extra
from archspec.log import warn
from archspec.replacing import PNG, check_gives_way
from compiler.onnx_file.metadata import MEMBERS, STRIDE, tell_epoch
from compiler.onnx_file.metadata import WEIGHTS as WEIGHTS_HASH
from runtime.data.dataset import Dataset
from runtime.data.registry import load_data_of
from runtime.evaluation.monte_carlo import MC_BATCH, MonteCarlo, measure_monte_carlo
from runtime.measuring.bench import bench
from runtime.prediction.png import save_picture, to_pixels
from runtime.prediction.predict import compute_outputs
from runtime.prediction.sheets import save_sheet
from runtime.session.session import Session
from runtime.tasks.registry import find_task
from runtime.training.outputs import evaluate_module, last_of
from runtime.training.run_folder import MODEL, PICTURE, SAMPLES, WEIGHTS, check_files, name_sample, write_export
from runtime.verification.agreement import compare
from runtime.weights.safetensors_file import load_weights

with extra("run"):
    from compiler.onnx_target.model import digest_weights

with extra("train"):
    from PIL import Image
    from torch import nn


TIMED_BATCHES = (1, 32)
SAMPLE_COUNT = 10


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


def evaluate_run(
    folder: str | Path,
    module: nn.Module,
    *,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    seconds: float = 1.0,
    monte_carlo: int | None = None,
    mc_batch: int = MC_BATCH,
) -> Evaluation:
    """Compare a run's module with its model.onnx, draw predictions.png, and write a few samples as PNG.

    `module` is the run's network with the run's weights in it; `seconds` is spent on timing each batch; `monte_carlo`
    is a number of passes with batch statistics of `mc_batch` training images, also measured where it is given. Raises
    ArchspecError where a file is missing, or file, weights, module and data do not belong together.
    """
    folder = Path(folder)
    check_files(folder, (WEIGHTS, MODEL))
    arrays, metadata = load_weights(folder / WEIGHTS)
    _check_weights(module, arrays)
    data = load_data_of(metadata, folder / WEIGHTS)
    task = find_task(data.task)
    for path in (folder / PICTURE, *_name_samples(folder / SAMPLES, data).values()):
        check_gives_way(path, PNG)
    session = Session(folder / MODEL, providers=providers, threads=threads)
    same = _compare_weights(session.metadata, arrays)
    if same is False:
        warn(f"{folder / MODEL} is of other weights than {folder / WEIGHTS}; export it again: {write_export(folder)}")
    if unfinished := tell_epoch(metadata):
        warn(f"{folder / WEIGHTS}: {unfinished}")
    expected = evaluate_module(module, data.test)
    found = _rename(compute_outputs(session, data.test.images), expected)
    differences = [_compare_output(session, name, expected[name], found[name]) for name in expected]
    grid = task.place(data.preprocess.shape, last_of(expected).shape[1:], STRIDE.read(metadata, folder / WEIGHTS))
    answers = [task.decide(last_of(outputs), grid) for outputs in (expected, found)]
    equal, predictions = task.count_equal(*answers)
    chances = None if monte_carlo is None else measure_monte_carlo(module, data, grid, monte_carlo, mc_batch)
    rows = bench(session, None if session.fixed_batch else TIMED_BATCHES, seconds=seconds)
    sheet = task.illustrate(answers[1], data.test.labels, data.classes, grid)
    save_sheet(folder / PICTURE, data.preprocess.restore(data.test.images), sheet, f"{data.name}, held out")
    return Evaluation(
        data=data.name,
        task=task.name,
        provider=session.provider,
        notice=session.notice,
        test_images=len(data.test),
        scores_torch=task.score(task.count(answers[0], data.test.labels, grid)),
        scores_onnx=task.score(task.count(answers[1], data.test.labels, grid)),
        asked=task.asked,
        predictions=predictions,
        equal_predictions=equal,
        largest_difference=max(absolute for absolute, _ in differences),
        relative_difference=max(relative for _, relative in differences),
        ms_per_image={batch: row.p50_ms / batch for row in rows if (batch := row.batch or session.fixed_batch)},
        file_bytes=(folder / MODEL).stat().st_size,
        picture=str(folder / PICTURE),
        samples=tuple(str(path) for path in write_samples(folder / SAMPLES, data)),
        same_weights=same,
        monte_carlo=chances,
    )


def write_samples(folder: str | Path, data: Dataset) -> list[Path]:
    """A few held-out images as 8-bit PNGs, to try `archspec run` on: of each class the first, or where no image has a
    class the first of all. Raises ArchspecError where a file is there that somebody else drew."""
    paths = _name_samples(folder, data)
    for index, path in paths.items():
        save_picture(path, Image.fromarray(to_pixels(data.preprocess.restore(data.test.images[index]))))
    return list(paths.values())


def _name_samples(folder: str | Path, data: Dataset) -> dict[int, Path]:
    """Where samples are written, by their indices."""
    named = find_task(data.task).choose_samples(data.test.labels, data.classes, SAMPLE_COUNT)
    return {index: Path(folder) / name_sample(index, label) for index, label in named.items()}


def _check_weights(module: nn.Module, arrays: dict[str, Array]) -> None:
    """The module must hold the file's weights: else the comparison would be between two networks."""
    state = module.state_dict()
    missing = [name for name, _ in module.named_parameters() if name not in arrays]
    if missing:
        raise ArchspecError(f"{WEIGHTS} has no '{missing[0]}', which the module has")
    for name, array in arrays.items():
        if name in state and not np.array_equal(state[name].detach().cpu().numpy(), array):
            raise ArchspecError(f"the module's '{name}' is not that of {WEIGHTS}; load the weights into it first")


def _compare_weights(metadata: Mapping[str, str], arrays: Mapping[str, Array]) -> bool | None:
    """Whether a model says that it was made from these weights."""
    said = WEIGHTS_HASH.read(metadata)
    if said is None or MEMBERS in metadata:
        return None
    return said == digest_weights({name: np.asarray(array, np.float32) for name, array in arrays.items()})


def _rename(found: dict[str, Array], expected: Mapping[str, Array]) -> dict[str, Array]:
    """The file's outputs under the module's names; the only one of both may have two names."""
    if len(found) == len(expected) == 1:
        return dict(zip(expected, found.values(), strict=True))
    if found.keys() != expected.keys():
        raise ArchspecError(f"{MODEL} gives {', '.join(found)}; the module {', '.join(expected)}")
    return found


def _compare_output(session: Session, name: str, expected: Array, found: Array) -> tuple[float, float]:
    """The largest difference, and that relative to the largest expected number."""
    if expected.shape != found.shape:
        shapes = [", ".join(map(str, array.shape[1:])) for array in (found, expected)]
        raise ArchspecError(f"{session.path} gives ({shapes[0]}) per image in '{name}', the module ({shapes[1]})")
    return float(np.abs(expected - found).max()), compare(expected, found)
