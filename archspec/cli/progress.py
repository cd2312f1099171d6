"""The progress bars of commands that take long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from archspec.callbacks import OnStep, ignore_step
from archspec.wording import escape_controls

if TYPE_CHECKING:
    from runtime.training.metrics import Progress as Step


@contextmanager
def follow_training() -> Iterator[Callable[[Step], None]]:
    """A bar on stderr with loss, the task's main metric, samples per second and the time left; where stderr is no
    terminal, a line for every fifth epoch instead."""
    if not sys.stderr.isatty():
        yield _print_epochs
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("training", figures="", total=None)

        def show(step: Step) -> None:
            figures = f"{_figures(step)}  {step.seconds_left:3.0f} s left"
            progress.update(
                task,
                completed=step.step,
                total=step.steps,
                description=f"epoch {step.epoch}/{step.epochs}",
                figures=figures,
            )

        yield show


@contextmanager
def follow_steps(what: str) -> Iterator[OnStep]:
    """A bar on stderr for what takes a known number of steps; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield ignore_step
        return
    with Progress(*Progress.get_default_columns(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(escape(escape_controls(what)), total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


@contextmanager
def show_work(what: str) -> Iterator[Callable[[str], None]]:
    """A sign of life on stderr, with the time so far, for what cannot say how far it is, but perhaps at what; nothing
    where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda part: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(escape(escape_controls(what)), total=None)
        yield lambda part: progress.update(task, description=escape(escape_controls(f"{what}: {part}")))


def _print_epochs(step: Step) -> None:
    per_epoch = step.steps // step.epochs
    if step.step % per_epoch == 0 and (step.epoch % 5 == 0 or step.epoch in (1, step.epochs)):
        print(f"epoch {step.epoch:3}/{step.epochs}  {_figures(step)}  {step.seconds_left:3.0f} s left", file=sys.stderr)


def _figures(step: Step) -> str:
    score = f"{step.metric.replace('_', ' ')} {step.score:.4f}"
    return f"loss {step.loss:.4f}  {score}  {step.samples_per_second:5.0f} samples/s"
