"""The Python API: each arrow of the way from text to a running model is one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from archspec.arguments import checked, take_keywords, takes_keywords_of
from archspec.bounds import MAX_NODES, MC_BATCH
from archspec.errors import InputError
from archspec.extras import extra
from archspec.file_types import is_onnx
from archspec.ops import Op
from archspec.spec.load import load as _load
from archspec.spec.spec import Spec
from compiler.analysis.check import check as _check
from compiler.analysis.memory.memory import largest_batch as _largest_batch
from compiler.analysis.report import analyze as _analyze
from compiler.elaborate.elaborate import elaborate as _elaborate
from compiler.graph import Graph
from compiler.sizes.accepted_sizes import accepted_sizes as _accepted_sizes
from runtime.verification.proof.cases import proof_cases as _proof_cases

if TYPE_CHECKING:
    from torch.fx import GraphModule

    from compiler.analysis.signal.choice_effects import ChoiceEffect
    from compiler.torch_target.rules import TorchRule
    from runtime.data.dataset import Dataset
    from runtime.evaluation.evaluate import Evaluation
    from runtime.experiments.graded import MeasuredPathGradient
    from runtime.experiments.signal import MeasuredSignal
    from runtime.export.export import Export
    from runtime.export.plan import ExportKeywords
    from runtime.recipes.recipe import Recipe
    from runtime.training.callbacks import TrainingCallback
    from runtime.training.loop import TrainResult
    from runtime.training.metrics import Progress
    from runtime.training.training_run import TrainingChoices, TrainKeywords
    from runtime.verification.options import VerifyKeywords
    from runtime.verification.report import Verification

load = checked(_load)
check = checked(_check)
elaborate = checked(_elaborate)
analyze = checked(_analyze)
accepted_sizes = checked(_accepted_sizes)
largest_batch = checked(_largest_batch)
proof_cases = checked(_proof_cases)


@checked
def open_network(
    source: str | Path,
    params: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    *,
    max_nodes: int = MAX_NODES,
    extensions: Mapping[str, type[Op]] | None = None,
) -> tuple[Graph, Spec | None]:
    """The graph of a spec (a file or a zoo name) that may use `extensions`, with the spec, or that of an ONNX file.

    Raises SpecError, ModelError and InputError, and MissingExtra where onnx is not there to read its files.

    >>> graph, spec = archspec.open_network("residual_mlp")
    >>> len(graph), spec.name
    (15, 'residual_mlp')
    """
    if not is_onnx(source):
        spec = load(source, params, extensions=extensions)
        return elaborate(spec, sizes, max_nodes=max_nodes), spec
    if params:
        raise InputError(f"{source} is an ONNX file: params are those of specs")
    with extra("run"):
        from compiler.onnx_source.read import read_graph
    return read_graph(source, sizes=sizes), None


@checked
def measure_signal(graph: Graph, *, seed: int = 0, rules: Mapping[type[Op], TorchRule] | None = None) -> MeasuredSignal:
    """Run the real initialization in torch: mean and second moment of the values and gradients of every node. `rules`
    are those of a caller's own operations, as `to_torch` takes them.

    >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    >>> archspec.measure_signal(graph)["linear_0"].second_moment > 1
    True
    """
    with extra("train"):
        from runtime.experiments.signal import measure_signal as measure

    return measure(graph, seed=seed, rules=rules)


@checked
def measure_path_gradient(
    graph: Graph,
    *,
    seed: int = 0,
    samples: int | None = None,
    rules: Mapping[type[Op], TorchRule] | None = None,
) -> MeasuredPathGradient:
    """Run the real initialization in torch: the gradient by the lengths of the paths that carry it, exactly, and by
    `samples` random paths of each length as well. `rules` are those of a caller's own operations.

    >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    >>> len(archspec.measure_path_gradient(graph).shares)
    2
    """
    with extra("train"):
        from runtime.experiments.graded import measure_path_gradient as measure

    return measure(graph, seed=seed, samples=samples, rules=rules)


@checked
def compare_choices(
    spec: Spec, what: str, sizes: Mapping[str, int] | None = None, *, max_nodes: int = MAX_NODES
) -> tuple[ChoiceEffect, ...]:
    """Compare what each `scaling`, `norm` or `init`, as the default of a whole network, does to its signal.

    >>> [choice.word for choice in archspec.compare_choices(archspec.load("residual_mlp"), "init")][:2]
    ['he', 'he_fan_out']
    """
    from compiler.analysis.signal.choice_effects import compare_choices as compare

    return compare(spec, what, sizes, max_nodes=max_nodes)


@checked
def to_torch(graph: Graph, *, seed: int = 0, rules: Mapping[type[Op], Any] | None = None) -> GraphModule:
    """The network as an nn.Module, initialized from `seed`; its state dict has the names of `graph.weights`.

    One output gives a tensor, several a dict by name. `rules` lower a caller's own operations. Raises MissingExtra
    without torch.

    >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    >>> module = archspec.to_torch(graph, seed=0)
    >>> sum(parameter.numel() for parameter in module.parameters())
    889
    """
    with extra("train"):
        from compiler.torch_target.module import to_torch as lower

    return lower(graph, seed=seed, rules=rules)


@takes_keywords_of("runtime.export.plan.ExportKeywords")
@checked
def to_onnx(
    graph: Graph,
    weights: Mapping[str, Any],
    path: str | Path,
    *,
    force: bool = False,
    **plan: Unpack[ExportKeywords],
) -> Export:
    """Write a model for inference to `path`, where it has agreed with torch at several sizes. Gives the proof and what
    else there is to tell. `weights` are tensors or arrays by name, as in a state dict.

    Keywords, each with its default:
        verify=True: whether the file has to agree with torch before it gets its name.
        options=None: the type of its numbers and the runtime it is for, `compiler.onnx_target.options.ExportOptions`.
        calibration=None: what int8 needs, `runtime.export.plan.Calibration`.
        optimized=False: whether ONNX Runtime's own form for this machine is written beside it.
        metadata=None: texts by name that the file says of itself.
        rules=None, torch_rules=None: how operations that are the caller's own become ONNX and torch, by class.
        on_step=None: hears how many of how many steps of a calibration are done.
        force=False: whether a file at `path` that is no model is replaced.

    Raises ArchspecError where something does not fit, or the proof fails (no file is left then); and MissingExtra.

    >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    >>> export = archspec.to_onnx(graph, archspec.to_torch(graph).state_dict(), "model.onnx")
    >>> export.proof.worst <= export.proof.tolerance
    True
    """
    from archspec.replacing import MODEL, check_gives_way
    from runtime.export.export import export
    from runtime.export.plan import ExportPlan
    from runtime.weights.in_memory import take_weights

    check_gives_way(path, MODEL, force=force)
    return export(graph, take_weights(weights), path, take_keywords(ExportPlan, "to_onnx", plan))


@takes_keywords_of("runtime.verification.options.VerifyKeywords")
@checked
def verify_model(
    path: str | Path,
    original: tuple[Graph, Mapping[str, Any]] | None = None,
    *,
    metadata: Mapping[str, str] | None = None,
    rules: Mapping[type[Op], Any] | None = None,
    torch_rules: Mapping[type[Op], Any] | None = None,
    on_check: Callable[[str], None] = lambda check: None,
    **where: Unpack[VerifyKeywords],
) -> Verification:
    """Prove a model file again: it is sound, runs where it says, and agrees with a second witness; with the `original`
    graph and weights also with torch, or the first node is named whose own result differs. With `metadata`, what these
    weights say of their training (see `read_weights`), the file has to say the same of classes, task, preprocessing and
    stride. `rules` and `torch_rules` lower operations that are the caller's own, to ONNX and to torch. `on_check` hears
    the name of each check that may take long before it begins.

    Keywords that say where it runs, each with its default:
        batches=(), sizes=None: at which batches and sizes; several small sizes and the file's own where neither is.
        tolerance=None: how far results may be apart, as a part of the largest number; by the file's type where None.
        seed=0: chooses the inputs.
        providers=("cpu",): demands, as a Session takes them; witnesses run on CPUs.

    Raises MissingExtra, and ArchspecError where weights do not fit their graph, or sizes the file.

    >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    >>> weights = archspec.to_torch(graph).state_dict()
    >>> _ = archspec.to_onnx(graph, weights, "model.onnx", verify=False)
    >>> archspec.verify_model("model.onnx", (graph, weights), batches=[2]).passed
    True
    """
    from runtime.verification.options import Original, VerifyOptions
    from runtime.verification.verify import verify
    from runtime.weights.in_memory import take_weights

    options = take_keywords(VerifyOptions, "verify_model", where)
    if original is None:
        return verify(path, options=options, on_check=on_check)
    graph, weights = original
    held = Original(graph, take_weights(weights), torch_rules or {}, rules or {}, metadata or {})
    return verify(path, held, options, on_check)


@takes_keywords_of("runtime.training.training_run.TrainKeywords")
@checked
def train(
    network: Spec | Graph,
    data: Dataset | str,
    recipe: Recipe | None = None,
    *,
    folder: str | Path | None = None,
    on_step: Callable[[Progress], None] | None = None,
    callbacks: Sequence[TrainingCallback] = (),
    **more: Unpack[TrainKeywords],
) -> TrainResult:
    """Train a network on a data set, given by name or as an object, by a recipe; `on_step` and `callbacks` hear of it.

    A graph trains in memory. A spec is made to fit the data, and leaves a run in a `folder` where one is given: spec
    and recipe in one piece, metrics as they come, checkpoints, and the weights with class names and preprocessing.
    SIGINT and SIGTERM then end the training when its step is finished and saved; the log says how to go on.

    Keywords, each with its default:
        resume="never": "auto" goes on with the run in `folder` from its newest checkpoint, a path from any one.
        force=False: whether an earlier run there is replaced, which is refused otherwise.
        init=None, reset=(): the file of weights to begin from, and which are drawn anew: "head", or patterns of names.
        device=None: "cpu", "cuda" or "cuda:1"; the first GPU where there is one.
        sizes=None, max_nodes=100_000: dynamic sizes other than the images' extents, and how far a spec may expand.
        quantize=None: "u8s8" or "s8s8" trains in integers, from the weights of `init`.
        reduce_range=False: whether weights have seven bits then, for processors without VNNI.
        words=(): what commands on the run need beside its files, as the log says them: `--allow FILE:CLASS`.
        on_read=None: hears how many of how many images are read before the first step.

    Raises InputError for what does not fit together, and where a loss or a gradient stops being finite.

    >>> spec = archspec.load("resnet_digits", params={"depths": [1, 1, 1], "widths": [2, 2, 2]})
    >>> result = archspec.train(spec, "digits", archspec.Recipe(epochs=1, batch=500), folder="run")
    >>> result.test.images, list(result.test_scores)
    (360, ['accuracy'])
    """
    from runtime.recipes.recipe import Recipe
    from runtime.training.callbacks import StepCallback
    from runtime.training.training_run import train_network

    choices = _choose_training(more)
    heard = [*callbacks, *([StepCallback(on_step)] if on_step else [])]
    return train_network(network, data, recipe or Recipe(), folder, choices, heard)


def _choose_training(keywords: Mapping[str, Any]) -> TrainingChoices:
    """Make one object of the keywords that `train` takes. Raises InputError where training in integers is asked for
    otherwise than it can be."""
    from runtime.training.training_run import TrainingChoices

    others = dict(keywords)
    quantize, reduce_range = others.pop("quantize", None), others.pop("reduce_range", None)
    if quantize is not None or reduce_range:  # what integers need is loaded for them alone
        from runtime.int8.aware import choose_reshaping

        others["reshaping"] = choose_reshaping(quantize, False if reduce_range is None else reduce_range)
    return take_keywords(TrainingChoices, "train", others)


@checked
def evaluate(
    folder: str | Path,
    *,
    monte_carlo: int | None = None,
    mc_batch: int | None = None,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    max_nodes: int = MAX_NODES,
    extensions: Mapping[str, type[Op]] | None = None,
) -> Evaluation:
    """Compare the two forms of a trained network, torch and ONNX Runtime, on its data set's held-out images; and its
    plain prediction with `monte_carlo` passes of Monte Carlo batch normalization. `providers` and `threads` are ONNX
    Runtime's; the run's spec may expand to `max_nodes` nodes, and use these `extensions`.

    >>> spec = archspec.load("resnet_digits", params={"depths": [1, 1, 1], "widths": [2, 2, 2]})
    >>> _ = archspec.train(spec, "digits", archspec.Recipe(epochs=1, batch=500), folder="run")
    >>> weights, facts = archspec.read_weights("run/weights.safetensors")
    >>> _ = archspec.to_onnx(archspec.elaborate(spec), weights, "run/model.onnx", metadata=facts, verify=False)
    >>> evaluation = archspec.evaluate("run")
    >>> evaluation.equal_predictions == evaluation.predictions
    True
    """
    from runtime.training.run_folder import MODEL, SPEC, WEIGHTS, check_files

    check_files(folder, (SPEC, WEIGHTS, MODEL))  # what is missing is said before what is needed to read it
    from runtime.evaluation.evaluate import EvaluationSettings, evaluate_run
    from runtime.training.run import Run

    settings = EvaluationSettings(providers, threads, monte_carlo=monte_carlo, mc_batch=mc_batch or MC_BATCH)
    return evaluate_run(Run.open(folder, max_nodes=max_nodes, extensions=extensions), settings)


__all__ = [
    "accepted_sizes",
    "analyze",
    "check",
    "compare_choices",
    "elaborate",
    "evaluate",
    "largest_batch",
    "load",
    "measure_path_gradient",
    "measure_signal",
    "open_network",
    "proof_cases",
    "to_onnx",
    "to_torch",
    "train",
    "verify_model",
]
