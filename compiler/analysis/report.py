"""All answers about one network in one object, as `analyze --json` prints it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archspec.errors import InputError, suggest
from archspec.ops import Shape
from archspec.precision import FloatPrecision
from compiler.analysis.analysis_cache import AnalysisCache
from compiler.analysis.certainty import Mark, Marks, find_mark, nest
from compiler.analysis.cost.cost import Cost
from compiler.analysis.memory.setup import TrainingSetup
from compiler.analysis.paths.counting import Paths, count_paths
from compiler.analysis.types import Types, count_operands, count_types
from compiler.analysis.unknown import find_unknown, mark_unknown
from compiler.graph import Graph

if TYPE_CHECKING:
    from archspec.spec.spec import Spec
    from compiler.analysis.field.receptive_field import ReceptiveField
    from compiler.analysis.lint import Finding
    from compiler.analysis.memory.memory import Memory
    from compiler.analysis.paths.gradient import PathGradient
    from compiler.analysis.signal.signal import Signal

PARTS = ("receptive_field", "memory", "variance", "gradient", "lint")
"""The parts that are answered only when asked for, by their keys in the result."""


@dataclass(frozen=True)
class Report:
    """The analysis of a network at given sizes. Of `PARTS` those are None that were not asked for.

    >>> report = archspec.analyze(archspec.elaborate(archspec.load("residual_mlp")))
    >>> report.to_dict()["parameters"]
    {'trainable': 50601, 'frozen': 0, 'buffers': 0}
    """

    name: str
    sizes: Mapping[str, int]
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    cost: Cost
    paths: Paths
    unknown: Mapping[str, int]
    """The number of operations of a foreign model that no analysis knows, by kind."""
    types: Types
    """The types of numbers in which a file keeps its weights and values."""
    bounds: Marks
    """The marks of numbers that are no more than bounds because of unknown operations."""
    operands: int = 0
    """The number of parameters of a file that may be constants: see `count_operands`."""
    notes: tuple[str, ...] = ()
    """The assumptions that reading a file made, a sentence each."""
    batch: int = 1
    """The number of samples whose memory and `activations.bytes_fp32` are counted."""
    receptive_field: ReceptiveField | None = None
    memory: Memory | None = None
    variance: Signal | None = None
    gradient: PathGradient | None = None
    lint: tuple[Finding, ...] | None = None

    @property
    def marks(self) -> dict[str, Mark]:
        """The marks of numbers that are not exact, by their keys in `to_dict()`: see `certainty`. A part that counts
        exactly has no marks."""
        parts = {"": self.cost, "paths": self.paths} | {name: getattr(self, name) for name in PARTS}
        own = {
            key: mark for name, part in parts.items() for key, mark in nest(name, getattr(part, "marks", {})).items()
        }
        missing = {name for name in PARTS if parts[name] is None}
        bounds = {key: mark for key, mark in self.bounds.items() if key.partition(".")[0] not in missing}
        return {key: mark for key, mark in own.items() if find_mark(bounds, key) is None} | bounds

    def to_dict(self, *, nodes: bool = False) -> dict[str, Any]:
        """Give what `analyze --json` prints; with a row for each of the `nodes`, as it does where --cost is asked
        for."""
        parts = {name: getattr(self, name) for name in PARTS}
        return {
            "name": self.name,
            "sizes": dict(self.sizes),
            "inputs": {name: list(shape) for name, shape in self.inputs.items()},
            "outputs": {name: list(shape) for name, shape in self.outputs.items()},
            **_add_bytes(self.cost.to_dict(), self.batch),
            "paths": self.paths.to_dict(),
            **({"unknown": dict(self.unknown)} if self.unknown else {}),
            **({"types": self.types, "operands": self.operands} if self.types else {}),
            **({"notes": list(self.notes)} if self.notes else {}),
            **{name: _to_data(part) for name, part in parts.items() if part is not None},
            **({"variance_summary": self.variance.summarize()} if self.variance else {}),
            **({"nodes": [node.to_dict() for node in self.cost.nodes]} if nodes else {}),
            "marks": {key: mark.to_dict() for key, mark in self.marks.items()},
        }


def analyze(
    graph: Graph,
    spec: Spec | None = None,
    *,
    wanted: Collection[str] = (),
    by_length: bool | None = None,
    batch: int = 1,
    precision: FloatPrecision | None = None,
    optimizer: str = "momentum",
) -> Report:
    """Answer what is asked of every network, and of `PARTS` what is `wanted`.

    `spec` is what the graph was made of, whose comments `lint` reads. `by_length`: see `count_paths`; `batch`,
    `precision` and `optimizer`: see `measure_memory`. Raises InputError for a part that there is not.

    >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    >>> report = archspec.analyze(graph, wanted=["memory"])
    >>> report.cost.parameters, report.paths.op.total
    (889, 2)
    """
    for part in sorted({*wanted} - {*PARTS}):
        near = suggest(part, PARTS) or f"; there are {', '.join(PARTS)}"
        raise InputError(f"there is no analysis '{part}'{near}")
    analyses, paths = AnalysisCache(graph), count_paths(graph, by_length=by_length)
    setup = TrainingSetup(batch, precision, optimizer)
    return Report(
        name=graph.name,
        sizes=graph.sizes,
        inputs={name: node.shape for name, node in graph.inputs.items()},
        outputs={name: graph[id].shape for name, id in graph.outputs.items()},
        cost=analyses.cost,
        paths=paths,
        unknown=find_unknown(graph),
        types=count_types(graph),
        bounds=mark_unknown(graph),
        operands=count_operands(graph),
        notes=graph.notes,
        batch=batch,
        **_answer(analyses, paths, spec, wanted, setup),
    )


def _answer(
    analyses: AnalysisCache, paths: Paths, spec: Spec | None, wanted: Collection[str], setup: TrainingSetup
) -> dict[str, Any]:
    """The parts that are wanted; each is imported by itself, since most callers want none."""
    parts: dict[str, Any] = {}
    if "receptive_field" in wanted:
        parts["receptive_field"] = analyses.receptive_field
    if "memory" in wanted:
        from compiler.analysis.memory.memory import measure_memory

        parts["memory"] = measure_memory(analyses.graph, **setup._asdict())
    if "variance" in wanted:
        parts["variance"] = analyses.signal
    if "gradient" in wanted:
        from compiler.analysis.paths.gradient import weigh_paths

        parts["gradient"] = weigh_paths(analyses.signal, paths)
    if "lint" in wanted:
        from compiler.analysis.lint import LintContext, look_over

        parts["lint"] = look_over(LintContext(analyses, spec))
    return parts


def _add_bytes(cost: dict[str, Any], batch: int) -> dict[str, Any]:
    activations = cost["activations"] | {"batch": batch, "bytes_fp32": 4 * batch * cost["activations"]["elements"]}
    return cost | {"activations": activations}


def _to_data(part: Any) -> Any:
    return [finding.to_dict() for finding in part] if isinstance(part, tuple) else part.to_dict()
