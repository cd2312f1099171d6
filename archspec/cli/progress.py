"""The progress bars of commands that take long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from archspec.callbacks import OnStep, ignore_step
from archspec.wording import escape_controls, shorten_bytes

if TYPE_CHECKING:
    from runtime.training.metrics import Progress as Step


MAX_LINES = 10
"""The largest number of epochs that each have a line where there is no bar."""


class TrainingFollower(NamedTuple):
    """What a training tells: each step, and of the images that are read before the first how many of how many are."""

    on_step: Callable[[Step], None]
    on_read: OnStep


@contextmanager
def follow_training() -> Iterator[TrainingFollower]:
    """A bar on stderr with epoch, step, loss, the task's main metric, samples per second, the time left and the memory;
    before the first step with how many images are read. Where stderr is no terminal, a line for each epoch of few, else
    for the first, each fifth and the last one."""
    if not sys.stderr.isatty():
        yield TrainingFollower(_print_epochs, ignore_step)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("training", figures="", total=None)

        def show(step: Step) -> None:
            held = "" if step.memory is None else f"  {shorten_bytes(step.memory)}"
            progress.update(
                task,
                completed=step.step,
                total=step.steps,
                description=f"epoch {step.epoch}/{step.epochs}  step {step.step}/{step.steps}",
                figures=f"{_figures(step)}  {write_left(step.seconds_left)} left{held}",
            )

        def show_read(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of, description="reading images", figures=f"{done:,} of {of:,}")

        yield TrainingFollower(show, show_read)


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
    per_epoch = -(-step.steps // step.epochs)
    if step.step in (step.epoch * per_epoch, step.steps) and (
        step.epoch % 5 == 0 or step.epoch in (1, step.epochs) or step.epochs <= MAX_LINES
    ):
        left = write_left(step.seconds_left)
        print(f"epoch {step.epoch:3}/{step.epochs}  {_figures(step)}  {left} left", file=sys.stderr)


def write_left(seconds: float) -> str:
    """Write a time that is left: in seconds, in minutes and seconds, or in hours and minutes.

    >>> [write_left(seconds) for seconds in (0.4, 59.6, 119.9, 3600 * 25)]
    ['0 s', '1:00 min', '2:00 min', '25:00 h']
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    minutes = round(whole / 60)
    return f"{minutes // 60}:{minutes % 60:02} h"


def _figures(step: Step) -> str:
    score = f"{step.metric.replace('_', ' ')} {step.score:.4f}"
    return f"loss {step.loss:.4f}  {score}  {step.samples_per_second:5.0f} samples/s"
