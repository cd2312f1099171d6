"""A run's network in torch held against its exported file: are its weights in there, and does it answer the same?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from archspec.arrays import Array
from archspec.errors import ModelError
from archspec.extras import extra
from archspec.log import warn
from compiler.onnx_file.metadata import MEMBERS, tell_epoch
from compiler.onnx_file.metadata import WEIGHTS as WEIGHTS_HASH
from runtime.data.dataset import Split
from runtime.evaluation.volumes import count_volumes
from runtime.prediction.network_outputs import compute_outputs
from runtime.session.session import Session
from runtime.tasks.grid import OutputGrid
from runtime.tasks.task import ClassScore, ScoreCounts
from runtime.training.mirror_mean import ArrayRun, MirrorMean
from runtime.training.module_outputs import evaluate_module, last_of
from runtime.training.run import Run
from runtime.training.run_folder import MODEL, WEIGHTS, write_export
from runtime.verification.differences import compare

with extra("run"):
    from compiler.onnx_target.model import digest_weights

with extra("train"):
    from torch import nn


@dataclass(frozen=True, eq=False, slots=True)
class Comparison:
    """torch and ONNX Runtime on the same held-out images.

    `answers` (N, ...) are those of the file's last output, which lies on the images by `grid`. Of all `predictions`, so
    many are `equal`; the scores are the task's metrics, and `classes` those of each class in the file. All of these are
    of answers as the run's recipe has them, which may be means over mirror images; then the `unmirrored` scores are
    those of each image alone. `differences` are the largest absolute one of each output, and the largest over torch's
    largest number in it. `same_weights` says whether the file was made from the run's weights, by what it says itself;
    None where it does not, or is an ensemble. Of volumes the scores are those of the whole ones, and everything else is
    said of the patch in the middle of each.
    """

    answers: Array
    grid: OutputGrid
    predictions: int
    equal: int
    scores_torch: dict[str, float]
    scores_onnx: dict[str, float]
    classes: tuple[ClassScore, ...]
    differences: list[tuple[float, float]]
    same_weights: bool | None
    unmirrored: tuple[dict[str, float], dict[str, float]] | None = None


def compare_answers(run: Run, module: nn.Module, session: Session) -> Comparison:
    """Hold the run's module against the session on its file, on all held-out images. The log says where the file is of
    other weights, or these of a training that did not end. Raises ModelError where their outputs differ in name or
    shape."""
    same_weights = _compare_weights(run, session)
    task, test = run.task, run.data.held_out
    expected = evaluate_module(module, test)
    found = _rename(compute_outputs(session, test.images), expected)
    differences = [_compare_output(session, name, expected[name], found[name]) for name in expected]
    grid = task.place(run.data.preprocess.shape, last_of(expected).shape[1:], run.stride)
    counts = unmirrored = _count(run, module, session, grid, (expected, found))
    if run.mirrors:
        expected, found = _average_mirrors(run, module, session, expected)
        counts = _count(run, module, session, grid, (expected, found), run.mirror_mean)
    before, after = (task.decide(last_of(outputs), grid) for outputs in (expected, found))
    equal, predictions = task.count_equal(before, after)
    scores, classes = [task.score(counted) for counted in counts], task.score_classes(counts[1], run.data.classes)
    alone = (task.score(unmirrored[0]), task.score(unmirrored[1])) if run.mirrors else None
    return Comparison(after, grid, predictions, equal, scores[0], scores[1], classes, differences, same_weights, alone)


def _count(
    run: Run,
    module: nn.Module,
    session: Session,
    grid: OutputGrid,
    both: tuple[Mapping[str, Array], Mapping[str, Array]],
    mean: MirrorMean | None = None,
) -> list[ScoreCounts]:
    """Count what is right and wrong of the module and of the file, whose outputs for the prepared images these are."""
    if run.data.preprocess.slides:
        return count_volumes(run, module, session, grid, mean)
    return [run.task.count_output(last_of(outputs), run.data.held_out.labels, grid) for outputs in both]


def _average_mirrors(
    run: Run, module: nn.Module, session: Session, expected: Mapping[str, Array]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The means of the module's and of the file's outputs over mirror images, as the run's recipe has them."""
    mean, test = run.mirror_mean, run.data.held_out
    answers: tuple[ArrayRun, ArrayRun] = (
        lambda images: evaluate_module(module, Split(images, test.labels)),
        lambda images: _rename(compute_outputs(session, images), expected),
    )
    ours, theirs = (dict(mean.over(answer)(test.images)) for answer in answers)
    return ours, theirs


def _compare_weights(run: Run, session: Session) -> bool | None:
    said, same = WEIGHTS_HASH.read(session.metadata), None
    if said is not None and MEMBERS not in session.metadata:
        same = said == digest_weights({name: np.asarray(array, np.float32) for name, array in run.weights.items()})
    weights = run.folder / WEIGHTS
    if same is False:
        again = write_export(run.folder, run.metadata)
        warn(f"{session.path} is of other weights than {weights}; export it again: {again}")
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
