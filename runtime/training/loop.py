"""The loop of training, for any task: the same weights for the same seed."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from archspec.errors import ModelError
from archspec.extras import extra
from runtime.data.batches import mix_seed
from runtime.data.dataset import Dataset
from runtime.data.fetching import Batch
from runtime.data.loader import Loader
from runtime.recipes.recipe import Recipe
from runtime.training.callbacks import TrainingCallback
from runtime.training.choice import Choice
from runtime.training.clock import StepClock
from runtime.training.drop_ramp import DropRamp
from runtime.training.evaluation import PartEvaluator
from runtime.training.interruption import Interruption
from runtime.training.memory import measure_memory
from runtime.training.metrics import EvaluatedStep, Measured, Meter, Progress, StepMetrics
from runtime.training.nonfinite import DivergedError, find_nonfinite
from runtime.training.ranks import Ranks
from runtime.training.schedule import learning_rate_at
from runtime.training.state import TrainState, copy_weights
from runtime.training.step import NonfiniteStepError, StepFigures, StepTaker

with extra("train"):
    import torch
    from torch import Tensor

if TYPE_CHECKING:
    from runtime.training.checkpoint import Snapshot
    from runtime.training.writer import RunWriter


@dataclass(frozen=True, eq=False)
class TrainResult:
    """The weights that training ends with, by name, on the CPU: of the best evaluation where validation images chose
    it, else of the last step; with a moving average they are its. The test images chose nothing.

    `recipe` is the one by which it was trained, with what it left open filled in; `history` are the evaluations, `best`
    is the step of the one whose weights these are, None where nothing is chosen, `test` what was measured of the test
    images, None where there are none. `facts` are for the metadata of the weights, where the network was
    made another one to be trained: an export in int8 needs those of a training in integers.
    """

    state: dict[str, Tensor]
    recipe: Recipe
    history: tuple[EvaluatedStep, ...]
    steps: int
    epochs: int
    best: int | None
    seconds: float
    test: Measured | None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def test_scores(self) -> dict[str, float]:
        """The task's scores of the test images, the main one first."""
        return dict(self.test.scores) if self.test else {}

    @property
    def test_loss(self) -> float | None:
        """The loss of the test images."""
        return self.test.loss if self.test else None

    def to_dict(self) -> dict[str, Any]:
        """Give everything but the weights; each test score stands under `test_` and its metric's name."""
        return {"history": [row.to_dict() for row in self.history], **self.measured}

    @property
    def measured(self) -> dict[str, Any]:
        """The last line of a run's metrics: all of `to_dict` but the history, which stands before it."""
        ending = {"kind": "end", "step": self.steps, "epoch": self.epochs, "best": self.best, "seconds": self.seconds}
        return ending | (self.test.to_dict("test") if self.test else {})


@dataclass(frozen=True, eq=False)
class Attendance:
    """Who takes part in a training beside the network: who hears of it, who keeps what it leaves (None: nobody), which
    process this is, and what ends it early."""

    callbacks: Sequence[TrainingCallback] = ()
    keeper: RunWriter | None = None
    ranks: Ranks = field(default_factory=Ranks)
    interruption: Interruption = field(default_factory=Interruption)


@dataclass(frozen=True, eq=False)
class TrainingParts:
    """The parts of a training: what it changes, what it learns from and how, what takes a step, what opens the
    batches of all steps from one on, what names a training image, and what drops more and more."""

    state: TrainState
    data: Dataset
    recipe: Recipe
    taker: StepTaker
    open_loader: Callable[[int], Loader[Batch]]
    name_sample: Callable[[int], str]
    ramp: DropRamp


class TrainingLoop:
    """The loop that takes the steps of a training from wherever its state is.

    Which images a step sees, how they are varied, and what the module draws is a function of (seed, epoch, step).
    """

    def __init__(self, parts: TrainingParts, around: Attendance) -> None:
        self.parts, self.around, self.state = parts, around, parts.state
        data, recipe, objective = parts.data, parts.recipe, parts.taker.objective
        self.task = objective.task
        self.clock = StepClock.of(recipe, len(data.train))
        self.choice = Choice.of(recipe, data)
        self.evaluator = PartEvaluator(data, objective, around.ranks, recipe)
        self.meter = Meter(self.task)
        self.history: list[EvaluatedStep] = []
        self.chosen: dict[str, Tensor] | None = None
        self.saved: int | None = None
        self.earlier, self.start, self.first_step = 0.0, time.perf_counter(), self.state.step

    @property
    def seconds(self) -> float:
        """The seconds that the training took so far, without those in which it lay still."""
        return self.earlier + time.perf_counter() - self.start

    @property
    def is_over(self) -> bool:
        """True if all steps are done, or early stopping has ended them."""
        return self.state.step >= self.clock.steps or self.choice.is_over

    def run(self) -> TrainResult:
        """Take all steps that are left, and measure what came of them."""
        with self.parts.open_loader(self.state.step) as loader:
            batches = iter(loader)
            while not self.is_over:
                self._take(batches)
                self._do_due()
        return self._finish()

    def _do_due(self) -> None:
        """Do what is due after a step."""
        step, ranks = self.state.step, self.around.ranks
        evaluated, interrupted = self.clock.is_evaluated(step), ranks.agree(self.around.interruption.wanted)
        if evaluated or interrupted or self.clock.is_saved(step):
            average = self.state.average
            ranks.share_buffers(self.state.module, None if average is None else average.average)
        best = evaluated and self._evaluate()
        if best or interrupted or self.is_over or self.clock.is_saved(step):
            self._save(best=best)
        if interrupted and not self.is_over:
            ranks.wait()  # for the one that saves
            self.around.interruption.end()

    def _take(self, batches: Iterator[Batch]) -> None:
        """Take a step of the next batch."""
        parts, clock, start = self.parts, self.clock, time.perf_counter()
        batch = next(batches)
        done, step = self.state.step, self.state.step + 1
        epoch = clock.epoch_of(step)
        parts.ramp.move(done / clock.steps)
        rate = learning_rate_at(done, clock.steps, parts.recipe.schedule, parts.recipe.optimizer.lr)
        logged = clock.is_logged(step)
        seed = partial(mix_seed, parts.recipe.seed, epoch, step, self.around.ranks.rank)
        try:
            figures = parts.taker.take(batch, rate, seed, measured=logged)
        except NonfiniteStepError as error:
            raise self._explain(error, batch, seed) from error
        self.meter.add(batch.whole or len(batch), figures.loss, figures.counts, time.perf_counter() - start)
        if logged:
            self._tell(self._describe_step(epoch, rate, figures).to_dict())
        for callback in self.around.callbacks:
            callback.on_step(self._describe(epoch, rate))

    def _explain(self, error: NonfiniteStepError, batch: Batch, seed: Callable[[int], int]) -> DivergedError:
        """Say where numbers stopped being finite, of which images, and what to do; the weights before are saved."""
        clock, parts, step = self.clock, self.parts, self.state.step + 1
        said = [f"{error.what} at step {step} of {clock.steps} (epoch {clock.epoch_of(step)})"]
        if error.images is not None:
            images = error.images
            chosen = batch.indices[error.first : error.first + len(images)].tolist()
            names = [parts.name_sample(index) for index in chosen]
            with parts.taker.precision.computing(), self.state.computing() as module:
                place = find_nonfinite(module, images, lambda: torch.manual_seed(seed(error.part)))
            said += [place.describe(names)] if place else []
        text = ": ".join(said)
        if error.source is not None:  # all are here, and one knows
            text = self.around.ranks.share_text(text, error.source)
        if step > 1:
            self._save(best=False)
        return self._advise(text)

    def _advise(self, text: str) -> DivergedError:
        """Say what to do where numbers stopped being finite."""
        rate = self.parts.recipe.optimizer.lr
        return DivergedError(f"{text}; try a learning rate below {rate:g} (--lr), or a longer warm-up")

    def _evaluate(self) -> bool:
        """Measure the network on the images by which training chooses, or else on the test images; tell whether it is
        the best so far."""
        data, state, meter = self.parts.data, self.state, self.meter
        part, samples = ("test", data.test) if data.validation is None else ("validation", data.validation)
        average = None if state.average is None else state.average.average
        with state.computing(average) as module:
            measured = self.evaluator.measure(module, samples)
        if not math.isfinite(measured.loss):
            place = f"after step {state.step} of {self.clock.steps} (epoch {self.clock.epoch_of(state.step)})"
            raise self._advise(f"the loss of the {part} images is {measured.loss} {place}")
        best = self.choice.consider(state.step, self.task.rank(measured.scores[meter.metric]))
        if best:
            self.chosen = copy_weights(average or state.module.state_dict(), state.storage.gather)
        row = EvaluatedStep(
            step=state.step,
            epoch=self.clock.epoch_of(state.step),
            loss=meter.loss,
            metric=meter.metric,
            score=meter.score,
            learning_rate=state.learning_rate,
            seconds=self.seconds,
            samples_per_second=meter.samples_per_second,
            part=part,
            measured=measured,
            best=best if self.choice.chooses else None,
        )
        self.history.append(row)
        self._tell(row.to_dict())
        if best and self.around.keeper is not None:
            self.around.keeper.keep(row, self.chosen or {})
        self.meter = Meter(self.task)
        return best

    def _save(self, *, best: bool) -> None:
        """Save a checkpoint, unless there is one of this step: all processes gather it, and one keeps it."""
        keeper, state = self.around.keeper, self.state
        if self.saved == state.step:
            return
        snapshot = self.take_snapshot()
        if keeper is not None:
            folder = keeper.save(snapshot, best=best or not self.choice.chooses)
            for callback in self.around.callbacks:
                callback.on_checkpoint(folder, state.step)
        self.saved = state.step

    def take_snapshot(self) -> Snapshot:
        """Give all that the loop needs to go on; the tensors are those that it works with, no copies."""
        more = {
            "epoch": self.clock.epoch_of(self.state.step),
            "seconds": self.seconds,
            "meter": self.meter.to_dict(),
            "choice": self.choice.to_dict(),
            "history": [dataclasses.asdict(row) for row in self.history],
        }
        return self.state.take_snapshot(more)

    def restore(self, snapshot: Snapshot, chosen: Mapping[str, Tensor] | None) -> None:
        """Go on from a snapshot; `chosen` are the weights of the best evaluation before it. Raises ModelError where it
        is of another training."""
        self.state.restore(snapshot)
        try:
            self.meter = Meter.load(self.task, snapshot.state["meter"])
            self.choice.load(snapshot.state["choice"])
            self.history = [_load_row(row) for row in snapshot.state["history"]]
            self.earlier = float(snapshot.state["seconds"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ModelError(f"the checkpoint of step {snapshot.step} is of another training: {error}") from error
        self.chosen = None if chosen is None else copy_weights(chosen)
        self.saved = self.first_step = snapshot.step
        self.start = time.perf_counter()

    def _finish(self) -> TrainResult:
        data, last = self.parts.data, self.history[-1]
        state = self.state
        weights = self.chosen or copy_weights(state.module.state_dict(), state.storage.gather)
        if last.part == "test":
            test: Measured | None = last.measured
        else:
            with state.computing(weights) as module:
                test = self.evaluator.measure(module, data.test) if len(data.test) else None
        result = TrainResult(
            state=weights,
            recipe=self.parts.recipe,
            history=tuple(self.history),
            steps=state.step,
            epochs=self.clock.epoch_of(state.step),
            best=self.choice.step if self.choice.chooses else None,
            seconds=self.seconds,
            test=test,
        )
        if self.around.keeper is not None:
            self.around.keeper.finish(weights)
        self._tell(result.measured)  # last: by this line a run is finished
        return result

    def _tell(self, row: Mapping[str, Any]) -> None:
        """Tell all who hear of it a line of the metrics."""
        if self.around.keeper is not None:
            self.around.keeper.add_row(row)
        for callback in self.around.callbacks:
            callback.on_metrics(row)

    def _describe_step(self, epoch: int, rate: float, figures: StepFigures) -> StepMetrics:
        return StepMetrics(
            step=self.state.step,
            epoch=epoch,
            loss=figures.loss,
            learning_rate=rate,
            gradient_norm=figures.gradient_norm,
            update_ratio=figures.update_ratio,
            samples_per_second=self.meter.samples_per_second,
            seconds=self.seconds,
        )

    def _describe(self, epoch: int, rate: float) -> Progress:
        done, left = self.state.step - self.first_step, self.clock.steps - self.state.step
        return Progress(
            epoch=epoch,
            epochs=self.clock.epochs,
            step=self.state.step,
            steps=self.clock.steps,
            loss=self.meter.loss,
            metric=self.meter.metric,
            score=self.meter.score,
            learning_rate=rate,
            samples_per_second=self.meter.samples_per_second,
            seconds_left=(time.perf_counter() - self.start) / done * left,
            memory=measure_memory(self.parts.taker.device),
        )


def _load_row(written: Mapping[str, Any]) -> EvaluatedStep:
    return EvaluatedStep(**{**written, "measured": Measured(**written["measured"])})
