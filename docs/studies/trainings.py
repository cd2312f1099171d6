"""Trains the variants of a study, one process for each of a few at a time, and keeps what each training came to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from archspec.api import elaborate, train
from archspec.errors import InputError
from archspec.files import write_text
from docs.studies.study import Training
from runtime.runs.record import RunRecord
from runtime.training.step import NonfiniteStepError

OUTCOME = "outcome.json"
"""The file in a run's folder that says what it came to; it is written last."""


def train_all(trainings: Sequence[Training], jobs: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Train what is not trained yet, `jobs` at a time, and give the outcome of each, in order."""
    outcomes = {training.folder: found for training in trainings if (found := read_outcome(training)) is not None}
    waiting = [training for training in trainings if training.folder not in outcomes]
    tell(f"{len(waiting)} of {len(trainings)} trainings are to be done")
    for number, (training, outcome) in enumerate(_train_each(waiting, jobs), 1):
        outcomes[training.folder] = outcome
        tell(f"{number} of {len(waiting)}: {_describe(outcome)}")
    return [outcomes[training.folder] for training in trainings]


def _train_each(trainings: Sequence[Training], jobs: int) -> Iterator[tuple[Training, dict[str, Any]]]:
    """Train each, in processes of their own where several are trained at a time, and give them as they end."""
    if jobs == 1:
        yield from ((training, train_one(training)) for training in trainings)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        futures = {pool.submit(train_one, training): training for training in trainings}
        yield from ((futures[future], future.result()) for future in as_completed(futures))


def train_one(training: Training) -> dict[str, Any]:
    """Train a variant with one seed from its beginning, and write its outcome into the run's folder. A loss that stops
    being finite is an outcome too."""
    spec, recipe = training.choose()
    cpu, wall, stopped = time.process_time(), time.perf_counter(), None
    try:
        train(spec, training.study.data, recipe, folder=training.folder, force=training.folder.exists())
    except InputError as error:
        if not isinstance(error.__cause__, NonfiniteStepError):
            raise
        stopped = str(error)
    seconds = {"cpu_seconds": time.process_time() - cpu, "seconds": time.perf_counter() - wall}
    outcome = {**_identify(training), "stopped": stopped, **seconds}
    write_text(training.folder / OUTCOME, json.dumps(outcome, indent=2) + "\n")
    return {**outcome, **_read_figures(training.folder)}


def read_outcome(training: Training) -> dict[str, Any] | None:
    """Read what a training came to; None where it has not ended, or was another one."""
    path = training.folder / OUTCOME
    if not path.is_file():
        return None
    outcome: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    asked = _identify(training)
    is_it = asked == {name: outcome.get(name) for name in asked}
    return {**outcome, **_read_figures(training.folder)} if is_it else None


def _identify(training: Training) -> dict[str, Any]:
    """Say which training it is: of which network, by which recipe."""
    spec, recipe = training.choose()
    network = {"variant": training.variant, "seed": training.seed, "network": elaborate(spec).digest()}
    return json.loads(json.dumps({**network, "recipe": recipe.to_dict()}))


def _read_figures(folder: Path) -> dict[str, Any]:
    """Read the means of the last epoch over its training images, and the score on the test images at the end."""
    run = RunRecord.read(folder)
    last = run.evaluations[-1] if run.evaluations else {}
    scores = {"training_score": last.get(run.metric or ""), "test_score": run.score("test")}
    return {"steps": run.last_step, "metric": run.metric, "training_loss": last.get("loss"), **scores}


def _describe(outcome: Mapping[str, Any]) -> str:
    name = f"{outcome['variant']}, seed {outcome['seed']}"
    if outcome["stopped"]:
        return f"{name}: {outcome['stopped']}"
    metric = outcome["metric"].replace("_", " ")
    figures = f"training loss {outcome['training_loss']:.3f}, test {metric} {outcome['test_score']:.4f}"
    return f"{name}: {figures}, {outcome['cpu_seconds']:.0f} s of processor time in {outcome['seconds']:.0f} s"
