"""Random int8 exports from hostile data: refused in words, or as far from the float file as their report says.

Both files run in ONNX Runtime on the images of the calibration, and on others that are drawn alike; what the report
says of each output is computed from their numbers, by formulas that stand here again.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx

from archspec.api import to_onnx, to_torch
from archspec.arrays import Array
from archspec.errors import ArchspecError
from compiler.graph import Graph
from compiler.onnx_target.int8.quantize import plan_quantization, quantize_model
from compiler.onnx_target.int8.scheme import RECIPES, Scheme
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.write import write_model
from runtime.export.plan import Calibration
from runtime.int8.calibrate import measure_ranges
from runtime.int8.data import open_calibration_data
from tests.differential.harness import Disagreement, Outcome
from tests.support.documents import graph_from
from tests.support.lowering import run_onnx, stir

CLOSE_DB = 0.5
"""How far two figures may be apart: a number between two integers goes either way, summed in another order."""

SAME_ANSWERS = 0.05

ELSEWHERE_DB, ENOUGH_DB = 8.0, 40.0
"""So much of the report's signal to noise, of what it has up to 40 dB, is not lost on other images that are drawn
alike, unless it says that ranges come from few numbers."""

TYPICAL = ("normal", "uniform", "float64", "float16")
"""Data of which other images are like these."""

CHOICES = (("mse", "percentile", "entropy", "minmax"), ("any", "tensorrt"), (None, None, 0.005, 0.1))
"""Methods, runtimes and bounds of the loss."""


@dataclass(frozen=True)
class Case:
    """One export: the document, what its images are, and how it is calibrated."""

    document: Mapping[str, Any]
    data: str
    count: int
    method: str
    target: Any
    max_drop: float | None
    reduce_range: bool
    seed: int

    def draw(self, shape: tuple[int, ...], turn: int = 0) -> Array:
        """Images of a shape; another turn draws others alike."""
        random = np.random.default_rng([self.seed, turn])
        make: Callable[..., Array] = DATA[self.data]
        return make(random, (self.count, *shape))


def _sprinkle(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    share = random.choice([0.001, 0.01, 0.1])
    return np.where(random.random(shape) < share, random.uniform(0.5, 1, shape), 0).astype(np.float32)


def _put(random: np.random.Generator, shape: tuple[int, ...], number: float) -> Array:
    images = random.standard_normal(shape).astype(np.float32)
    images.ravel()[random.integers(images.size)] = number
    return images


DATA = {
    "normal": lambda random, shape: random.standard_normal(shape).astype(np.float32),
    "uniform": lambda random, shape: random.random(shape, np.float32),
    "float64": lambda random, shape: random.standard_normal(shape),
    "float16": lambda random, shape: random.standard_normal(shape).astype(np.float16),
    "sparse": _sprinkle,
    "zeros": lambda random, shape: np.zeros(shape, np.float32),
    "constant": lambda random, shape: np.full(shape, random.choice([1.0, -3.0, 1e30]), np.float32),
    "channels apart": lambda random, shape: (
        random.standard_normal(shape) * 10.0 ** random.integers(-3, 4, (1, shape[1], *[1] * (len(shape) - 2)))
    ).astype(np.float32),
    "one channel still": lambda random, shape: (
        random.standard_normal(shape) * (np.arange(shape[1]) > 0).reshape(1, -1, *[1] * (len(shape) - 2))
    ).astype(np.float32),
    "outlier": lambda random, shape: _put(random, shape, 1e4),
    "nan": lambda random, shape: _put(random, shape, np.nan),
    "inf": lambda random, shape: _put(random, shape, np.inf),
    "1e38": lambda random, shape: _put(random, shape, 1e38),
    "denormal": lambda random, shape: (random.standard_normal(shape) * 1e-41).astype(np.float32),
    "small": lambda random, shape: (random.standard_normal(shape) * 1e-12).astype(np.float32),
    "minus": lambda random, shape: -random.random(shape, np.float32),
    "bytes": lambda random, shape: random.integers(0, 256, shape).astype(np.uint8),
}


class Writer:
    """Writes a document: a chain of layers with concatenations of what differs in size, and some outputs on the way."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.outputs = 0

    def write(self) -> dict[str, Any]:
        rows = self.random.random() < 0.2
        inputs = [self.random.randint(1, 6)] if rows else [self.random.randint(1, 3), "H", "W"]
        body: list[Any] = [self.linear()] if rows else [self.conv()]
        for _ in range(self.random.randint(1, 5)):
            body += self.dense() if rows else self.step()
        if not rows and self.random.random() < 0.4:
            body += [self.random.choice(["global_avg_pool", "global_max_pool"]), "flatten", self.linear()]
        if not rows and self.random.random() < 0.2:
            body.append(self.random.choice(["softmax", "sigmoid"]))
        sizes = {} if rows else {"sizes": {"H": 8, "W": 8}}
        return {"archspec": 1, "inputs": {"x": inputs}, **sizes, "network": body}

    def width(self) -> int:
        return self.random.choice([1, 1, 2, 3, 4, 8])

    def conv(self) -> dict[str, Any]:
        return {"conv": {"out": self.width(), "kernel": self.random.choice([1, 3])}}

    def linear(self) -> dict[str, Any]:
        return {"linear": self.width()}

    def scale(self) -> dict[str, Any]:
        return {"scale": self.random.choice([1e-3, 0.1, 10.0, 640.0])}

    def end(self) -> list[Any]:
        ends: list[list[Any]] = [[self.scale()], ["sigmoid"], []]
        return self.random.choice(ends)

    def output(self) -> list[Any]:
        if self.random.random() > 0.15:
            return []
        self.outputs += 1
        return [{"output": f"out{self.outputs}"}]

    def dense(self) -> list[Any]:
        return [self.random.choice(["relu", "sigmoid", "tanh"]), self.linear(), *self.output()]

    def step(self) -> list[Any]:
        match self.random.randrange(7):
            case 0:
                branches = [[self.conv(), *self.end()] for _ in range(2)]
                return [{"concat": branches}, *self.output()]
            case 1:
                return [{"conv": {"out": "in_channels", "kernel": 3, "groups": "in_channels"}}]
            case 2:
                return ["relu", self.conv(), *self.output()]
            case 3:
                return [{"max_pool": {"kernel": 3, "stride": 1, "padding": 1}}]
            case 4:
                return [{"residual": {"body": ["relu", {"conv": {"out": "in_channels", "kernel": 3}}]}}]
            case 5:
                return ["norm", "relu"]
            case _:
                return [self.scale(), self.conv(), *self.output()]


def make_case(seed: int) -> Case:
    random = Random(seed)
    document = Writer(random).write()
    methods, targets, drops = CHOICES
    return Case(
        document,
        random.choice([*DATA, *TYPICAL]),
        random.choice([1, 2, 8, 24, 24]),
        random.choice(methods),
        random.choice(targets),
        random.choice(drops),
        random.random() < 0.2,
        seed,
    )


def examine(seed: int) -> Outcome:
    case = make_case(seed)
    graph = graph_from(dict(case.document))
    outcome = Outcome()
    outcome.words[f"data: {case.data}"] += 1
    outcome.words[f"method: {case.method}"] += 1
    with tempfile.TemporaryDirectory() as folder:
        outcome.disagreements += examine_export(case, graph, Path(folder), outcome)
    return outcome


def explain(seed: int) -> str:
    """The case, and what disagrees."""
    case = make_case(seed)
    found = "\n".join(f"{one.kind}: {one.detail}" for one in examine(seed).disagreements)
    return f"{case}\n{found or 'nothing disagrees'}"


def examine_export(case: Case, graph: Graph, folder: Path, outcome: Outcome) -> Iterator[Disagreement]:
    weights = {name: value.detach() for name, value in stir(to_torch(graph)).state_dict().items()}
    shape = tuple(next(iter(graph.inputs.values())).shape)
    images = case.draw(shape)
    np.save(folder / "images.npy", images)
    to_onnx(graph, weights, folder / "float.onnx", verify=False)
    calibration = Calibration(
        data=folder / "images.npy", method=case.method, max_drop=case.max_drop, reduce_range=case.reduce_range
    )
    options = ExportOptions(precision="int8", target=case.target)
    try:
        done = to_onnx(graph, weights, folder / "int8.onnx", verify=False, options=options, calibration=calibration)
    except ArchspecError as error:
        outcome.words["(refused)"] += 1
        if "\n" in str(error) or len(str(error)) < 20 or (folder / "int8.onnx").exists():
            yield Disagreement("refusal", str(error)[:300])
        if (
            case.data in TYPICAL
            and np.ptp(images) > 0
            and "nothing like" not in str(error)
            and "no convolution" not in str(error)
        ):
            yield Disagreement("refused", str(error)[:300])
        return
    outcome.words["(written)"] += 1
    with np.errstate(over="ignore"):
        images = images.astype(np.float32)
    stored = {item.key: item.value for item in onnx.load(folder / "int8.onnx").metadata_props}
    report = json.loads(stored["archspec.int8"])
    assert done.quantization is not None
    if report["loss"] != json.loads(json.dumps(done.quantization.loss.to_dict())):
        yield Disagreement("metadata", "the file says another loss than the export")
    if case.data in ("zeros", "constant", "nan", "inf", "bytes", "denormal"):
        yield Disagreement("accepted", f"images of {case.data}")
    if case.data in ("small", "1e38") and not any("prepared as for training" in note for note in report["notes"]):
        yield Disagreement("silently odd", f"images of {case.data}")
    if report["loss"]["judged"] == "by their own ranges":
        before, after = (run_onnx(folder / name, {"x": images}) for name in ("float.onnx", "int8.onnx"))
    else:
        before, after = answer_by_others(case, graph, weights, folder, report)
    for item in report["loss"]["outputs"]:
        yield from compare_figures(item, before[item["output"]], after[item["output"]], report["notes"])
    yield from hold_to_itself(report, folder, images)
    if case.max_drop is not None:
        yield from hold_to_bound(report, case.max_drop)
    few = any("may leave the range" in note or "may reach beyond" in note for note in report["notes"])
    if case.data in TYPICAL and not few:
        outcome.words["(on other images)"] += 1
        others = case.draw(shape, turn=1).astype(np.float32)
        before, after = (run_onnx(folder / name, {"x": others}) for name in ("float.onnx", "int8.onnx"))
        for item in report["loss"]["outputs"]:
            found = measure(before[item["output"]], after[item["output"]])["sqnr_db"]
            said = item["sqnr_db"]
            if said is not None and found is not None and found < min(said, ENOUGH_DB) - ELSEWHERE_DB:
                yield Disagreement(
                    "elsewhere", f"{item['output']}: {found:.1f} dB on other images, {said} in the report"
                )


def answer_by_others(
    case: Case, graph: Graph, weights: Mapping[str, Any], folder: Path, report: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """What the float file answers, and for each fourth of the images the file with the ranges of the others, which is
    written here as the report says that it is made."""
    model = build_model(graph, {name: value.numpy() for name, value in weights.items()})
    data = open_calibration_data(folder / "images.npy", graph, model.metadata)
    recipe = RECIPES[case.target]
    measured = measure_ranges(model, plan_quantization(model, recipe).values, data, case.method, recipe)
    floats = frozenset(measured.find_floats())
    scheme = Scheme(recipe, {}, frozenset(report["kept"]), floats, case.reduce_range)
    parts = []
    for fold in measured.folds:
        images = data.read(fold.data.numbers)
        ranges = fold.ranges.cut if report["cut"] else fold.ranges.whole
        write_model(quantize_model(model, replace(scheme, ranges=ranges)), folder / "fold.onnx")
        parts.append([run_onnx(folder / name, {"x": images}) for name in ("float.onnx", "fold.onnx")])
    before, after = (
        {name: np.concatenate([part[name] for part in found]) for name in found[0]}
        for found in zip(*parts, strict=True)
    )
    return before, after


def compare_figures(item: Mapping[str, Any], before: Array, after: Array, notes: list[str]) -> Iterator[Disagreement]:
    found, name = measure(before, after), item["output"]
    if not _are_close(item["sqnr_db"], found["sqnr_db"]):
        yield Disagreement("signal to noise", f"{name}: said {item['sqnr_db']}, found {found['sqnr_db']}")
    said = item["worst"] and item["worst"]["sqnr_db"]
    if not _are_close(said, found["worst"]):
        yield Disagreement("worst channel", f"{name}: said {said}, found {found['worst']}")
    answer = found["r2"] if item["metric"] == "r2" else found["agreement"]
    assert answer is not None
    off = abs(answer - item["after"])
    if off > max(SAME_ANSWERS, 0.1 * abs(1 - answer) if item["metric"] == "r2" else 0):
        yield Disagreement(item["metric"], f"{name}: said {item['after']}, found {answer}")
    if (item["metric"] == "r2") != (before.shape[1] == 1):
        yield Disagreement("metric", f"{name}: {item['metric']} of {before.shape[1]} channels")
    told = any(f"output '{name}' has" in note and "by those of all" in note for note in notes)
    if found["sqnr_db"] is not None and found["sqnr_db"] < 3 - CLOSE_DB and not told:
        yield Disagreement("silently lost", f"{name}: {found['sqnr_db']} dB, and a file was written")
    poor = found["worst"] is not None and found["worst"] < 10 - CLOSE_DB
    if poor and not any(f"output '{name}'" in note for note in notes):
        yield Disagreement("silently poor", f"{name}: {found['worst']} dB, and nobody said so")


def hold_to_itself(report: Mapping[str, Any], folder: Path, images: Array) -> Iterator[Disagreement]:
    """The very file on the very images, where the report has that."""
    if report["own"] is None or report["kept"]:  # the report's is of all layers in int8
        return
    before, after = (run_onnx(folder / name, {"x": images}) for name in ("float.onnx", "int8.onnx"))
    for item in report["own"]["outputs"]:
        found = measure(before[item["output"]], after[item["output"]])["sqnr_db"]
        if not _are_close(item["sqnr_db"], found):
            yield Disagreement("own ranges", f"{item['output']}: said {item['sqnr_db']}, found {found}")
        if found is not None and found < 3 - CLOSE_DB:
            yield Disagreement("lost", f"{item['output']}: {found} dB on the images that gave the ranges")


def hold_to_bound(report: Mapping[str, Any], most: float) -> Iterator[Disagreement]:
    for item in report["loss"]["outputs"]:
        if item["before"] - item["after"] > most or (item["worst"] and item["worst"]["sqnr_db"] < 10):
            yield Disagreement("max drop", f"{item} is beyond {most}")


def measure(before: Array, after: Array) -> dict[str, float | None]:
    """Of an output, (N, C, ...), what a report says, by definition."""
    first, second = (np.moveaxis(np.asarray(a, np.float64), 1, -1).reshape(-1, a.shape[1]) for a in (before, after))
    noise, power = np.square(first - second).sum(axis=0), np.square(first).sum(axis=0)
    spread = np.square(first - first.mean(axis=0)).sum(axis=0)
    signal = np.where(spread > 1e-12 * power, spread, power)
    there = (noise > 0) & (signal > 0)
    answers = first.argmax(axis=1), second.argmax(axis=1)
    if before.ndim == 2:
        agreement = float((answers[0] == answers[1]).mean())
    else:
        kinds = [(answers[0] == kind, answers[1] == kind) for kind in range(before.shape[1])]
        agreement = float(np.mean([(a & b).sum() / (a | b).sum() for a, b in kinds if (a | b).any()]))
    return {
        "sqnr_db": _in_db(power.sum(), noise.sum()),
        "worst": float((10 * np.log10(signal[there] / noise[there])).min()) if there.any() else None,
        "r2": float(1 - noise.sum() / signal.sum()) if signal.sum() else float(noise.sum() == 0),
        "agreement": agreement,
    }


def _in_db(signal: float, noise: float) -> float | None:
    if noise == 0:
        return None
    return float(10 * np.log10(signal / noise)) if signal else 0.0


def _are_close(said: float | None, found: float | None) -> bool:
    """Where next to nothing is lost, a sum in another order loses as much."""
    said, found = (200.0 if number is None else number for number in (said, found))
    return abs(said - found) <= CLOSE_DB or min(said, found) > 90
