"""Graph and weights → a model file that has been proven before it has its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from archspec.extras import extra
from archspec.files import renaming, write_whole
from archspec.log import warn
from archspec.ops import Vote
from archspec.wording import list_some
from compiler.graph import Graph
from compiler.onnx_file.companions import find_older_data
from compiler.onnx_file.extents import list_inputs, list_outputs
from compiler.onnx_file.metadata import PRECISION, TRAINED_INT8, tell_epoch
from compiler.passes.cast_weights import CastWeights
from runtime.export.plan import TRAINING, Calibration, ExportPlan, LoweringRules, tell_large_drop
from runtime.verification.proof.cases import proof_cases
from runtime.verification.static.metadata_fit import check_answers
from runtime.weights.in_memory import tell_rounding

with extra("run"):
    from compiler.onnx_target.model import build_model
    from compiler.onnx_target.onnx_model import OnnxModel
    from compiler.onnx_target.write import write_model

if TYPE_CHECKING:
    from runtime.int8.data import CalibrationData
    from runtime.int8.quantize import Quantization
    from runtime.int8.trained import TrainedScheme
    from runtime.verification.proof.proof import Proof

PLAN = ExportPlan()

CAST = CastWeights(np.dtype(np.float16)).name


@dataclass(frozen=True, eq=False)
class Export:
    """A model as it was written: `files` are the model and, where it is larger than one file may be, its weights;
    `bytes` are those of all of them.

    `proof` compares it with torch (of an int8 model: the float model that was quantized), `quantization` says what int8
    lost, and `optimized` is ONNX Runtime's own file beside it; each None where it was not asked for.
    """

    files: tuple[Path, ...]
    bytes: int
    model: OnnxModel = field(repr=False)  # all weights
    proof: Proof | None = None
    quantization: Quantization | None = None
    optimized: Path | None = None

    @property
    def path(self) -> Path:
        return self.files[0]

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": str(self.path),
            "files": [str(path) for path in self.files],
            "bytes": self.bytes,
            "precision": PRECISION.read(self.model.metadata),
            "proof": self.proof.to_dict() if self.proof else None,
            "quantization": self.quantization.to_dict() if self.quantization else None,
            "optimized": str(self.optimized) if self.optimized else None,
        }

    def explain(self) -> dict[str, Any]:
        """Tell what each pass did and why, and what stays off the fast path of ONNX Runtime's CPU provider."""
        from compiler.onnx_target.fast_path import find_slow_nodes

        slow = find_slow_nodes(self.model.graph)
        return {"passes": [step.to_dict() for step in self.model.steps], "slow": [node.to_dict() for node in slow]}


def export(graph: Graph, weights: Mapping[str, Any], path: str | Path, plan: ExportPlan = PLAN) -> Export:
    """Write a model for inference to `path`, as the plan says.

    `weights` are arrays by name. Raises ArchspecError where weights, options, calibration data or what the metadata say
    of answers and pictures do not fit, and where the proof fails: no file is left then.
    """
    _tell_doubts(plan)
    if plan.optimized:
        from runtime.session.form_writer import check_can_optimize, write_optimized  # here, since it needs ONNX Runtime

        check_can_optimize(path, plan.options.precision)
    prove = partial(_prove, graph=graph, weights=weights, rules=plan.torch_rules) if plan.verify else None
    optimized: list[Path] = []

    # First, so that a place that cannot be written is no surprise at the end.
    with write_whole(path, lambda older: _find_useless(older, optimized)) as temporary:
        facts = {key: text for key, text in plan.metadata.items() if key != TRAINED_INT8}
        model = build_model(graph, weights, metadata=facts, rules=plan.rules, options=plan.options)
        check_answers(model.metadata, list_inputs(model.head.graph), list_outputs(model.head.graph))
        _tell_losses(weights, model)
        model, proof, quantization = _write_proven(model, temporary, prove, plan)
        beside = sorted(item for item in temporary.parent.iterdir() if item != temporary)
        size = sum(item.stat().st_size for item in (temporary, *beside))
        optimized += [write_optimized(temporary)] if plan.optimized else []
    place = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    files = Path(path), *(place.with_name(item.name) for item in beside)
    own = next((place.with_name(item.name) for item in optimized), None)
    return Export(files, size, model, proof, quantization, own)


def _tell_doubts(plan: ExportPlan) -> None:
    """Warn of weights that were not trained to the end, and of a loss by int8 that nobody means."""
    if unfinished := tell_epoch(plan.metadata):
        warn(unfinished)
    drop = plan.calibration.max_drop if plan.calibration else None
    if drop is not None:
        tell_large_drop("int8", drop)


def _find_useless(older: Path, optimized: Sequence[Path]) -> Callable[[], list[Path]]:
    """The data files that nothing reads once the model, and ONNX Runtime's form of it, are replaced."""
    replaced = [older, *(older.with_name(item.name) for item in optimized)]
    asked = [find_older_data(model) for model in replaced]
    return lambda: [useless for ask in asked for useless in ask()]


def _write_proven(
    model: OnnxModel, path: Path, prove: Callable[[Path], Proof] | None, plan: ExportPlan
) -> tuple[OnnxModel, Proof | None, Quantization | None]:
    """Write the model, quantized where the plan has a calibration, with the proof of the float model."""
    if plan.calibration is None:
        write_model(model, path)
        return model, prove(path) if prove else None, None
    if plan.calibration.method == TRAINING:
        _read_trained(plan).plan_for(model, plan.options.target)  # before the proof too
    images = _open_images(model, plan.calibration)  # before the proof, so that images that do not fit cost no time
    proof = _prove_float(model, path, prove) if prove else None
    quantized, report = _quantize(model, images, plan.calibration, plan)
    write_model(quantized, path)
    return quantized, proof, report


def _read_trained(plan: ExportPlan) -> TrainedScheme:
    from runtime.int8.trained import TrainedScheme

    trained = TrainedScheme.read(plan.metadata)
    assert trained is not None
    return trained


def _tell_losses(weights: Mapping[str, Any], model: OnnxModel) -> None:
    """Say once which weights the file's type does not hold, beyond what its digits round."""
    tell_rounding(weights)
    small = [f"{note.node}.{note.text}" for step in model.steps if step.name == CAST for note in step.left]
    if small:
        wider = "; bf16 has the range of fp32" if PRECISION.read(model.metadata) == "fp16" else ""
        warn(f"{list_some(small)}{wider}")


def _prove_float(model: OnnxModel, path: Path, prove: Callable[[Path], Proof]) -> Proof:
    """Prove the float model of an int8 one that is to be in `path`, which is written for that alone."""
    with TemporaryDirectory(dir=path.parent) as folder:  # on the disk that the model is for
        whole = Path(folder, "float.onnx")
        with renaming(path, whole):
            write_model(model, whole)
            return prove(whole)


def _prove(path: Path, graph: Graph, weights: Mapping[str, Any], rules: LoweringRules) -> Proof:
    with extra("train"):
        from compiler.torch_target.modes import unaffected
        from compiler.torch_target.module import build_module
        from runtime.verification.proof.proof import prove
        from runtime.verification.proof.shapes import hold_shapes

    with unaffected():
        module = build_module(graph, weights, rules=rules)
    votes = {name for name, id in graph.outputs.items() if isinstance(graph[id].op, Vote)}
    proof = prove(path, module, proof_cases(graph), votes=votes, rows=graph.rows)
    hold_shapes(graph, proof)
    return proof


def _open_images(model: OnnxModel, calibration: Calibration) -> CalibrationData | None:
    """The images of a calibration, if it has any. Raises ArchspecError where the network does not take them, or they
    ask what it does not answer."""
    from runtime.int8.data import open_calibration_data
    from runtime.int8.output_metrics import choose_metrics

    if calibration.data is None:
        return None
    images = open_calibration_data(calibration.data, model.graph, model.metadata, calibration.ground)
    choose_metrics(model, images)
    return images


def _quantize(
    model: OnnxModel, images: CalibrationData | None, calibration: Calibration, plan: ExportPlan
) -> tuple[OnnxModel, Quantization]:
    from runtime.int8.quantize import quantize
    from runtime.int8.trained import quantize_trained

    if calibration.method == TRAINING:
        done = quantize_trained(model, _read_trained(plan), images, target=plan.options.target, on_step=plan.on_step)
        return done.model, done.report
    assert images is not None
    quantized = quantize(
        model,
        images,
        method=calibration.method,
        target=plan.options.target,
        max_drop=calibration.max_drop,
        reduce_range=calibration.reduce_range,
        on_step=plan.on_step,
    )
    return quantized.model, quantized.report
