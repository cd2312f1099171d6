"""The Python API of weights: read, taken over from elsewhere, and combined."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.arguments import checked
from archspec.errors import ArchspecError
from archspec.extras import extra
from archspec.file_types import SAFETENSORS, TORCH, find_file_type
from archspec.files import as_argument
from archspec.spec.document import is_size
from archspec.spec.load import Spec, load
from archspec.spec.zoo import shown, zoo_specs
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph

if TYPE_CHECKING:
    from runtime.weights.convert import Conversion
    from runtime.weights.name_rules import NameRules


@checked
def read_weights(path: str | Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The arrays of a file of weights by name, and what it says of their training, for an exported model to take over:
    its task, names, preprocessing, stride and data set, and after which epoch it was stopped, if it was. The file is
    safetensors, or a state dict that `torch.save` wrote, which says nothing of its training. Raises ArchspecError, and
    MissingExtra where torch is needed."""
    from runtime.weights.file import load_weights, read_all
    from runtime.weights.state_dict import read_state_dict

    if find_file_type(path) == TORCH:
        return read_all(read_state_dict(path)[0]), {}
    arrays, facts = load_weights(path)
    return arrays, _carried(facts)


def _carried(facts: Mapping[str, str]) -> dict[str, str]:
    """The part of what a file of weights says that a model made of it says too."""
    from compiler.onnx_file.metadata import CARRIED, select

    return select(facts, CARRIED)


@checked
def find_rules(source: str | Path, params: Mapping[str, Any]) -> list[NameRules]:
    """The rules beside a spec (a file or a zoo name) that say how its weights are called elsewhere; none where nobody
    wrote any."""
    from runtime.weights.name_rules import find_rules as find

    return find(source, params)


@checked
def match_weights(path: str | Path, graph: Graph, rules: Sequence[NameRules] = (), source: str = "auto") -> Conversion:
    """How the state dict in a file fits a graph by its own names or by these rules, and what does not match; its
    numbers are not read yet.

    `source` is a library that the rules name, `archspec` for the graph's own names, or `auto`. Raises ArchspecError
    where the file is no state dict.
    """
    from runtime.weights.convert import convert
    from runtime.weights.state_dict import read_state_dict

    state, facts = read_state_dict(path)
    return convert(state, graph, rules, source, _carried(facts))


@checked
def write_converted(path: str | Path, graph: Graph, conversion: Conversion) -> None:
    """Write the weights of a conversion in which everything matched. Raises ArchspecError, and leaves no file, where
    something did not, or a number is not finite."""
    from compiler.onnx_file.metadata import GRAPH
    from runtime.weights.file import save_weights

    save_weights(path, conversion.read(), {**conversion.facts, **GRAPH.write(graph.digest())})


def find_trained_sizes(spec: Spec, facts: Mapping[str, str]) -> dict[str, int]:
    """The values that a spec's dynamic sizes had in training, by what its weights say of it, where these are others
    than the spec's own."""
    from compiler.onnx_file.metadata import PREPROCESS
    from runtime.pictures.preprocess import Preprocess

    shapes = list(spec.inputs.values())
    trained = Preprocess.from_json(facts[PREPROCESS]).shape if PREPROCESS in facts else ()
    if len(shapes) != 1 or len(shapes[0]) != len(trained):
        return {}
    pairs = {(name, extent) for name, extent in zip(shapes[0], trained, strict=True) if is_size(name)}
    sizes = dict(pairs)
    clear = len(sizes) == len(pairs)  # one letter for both sides of an image that has two
    return {name: size for name, size in sorted(sizes.items()) if clear and spec.sizes.get(name) != size}


def list_sizes(spec: Spec) -> set[str]:
    """The names of a spec's dynamic sizes: of those with a value, and of those of its inputs that want one."""
    return {*spec.sizes, *(extent for shape in spec.inputs.values() for extent in shape if is_size(extent))}


def check_fit(
    path: str | Path, weights: Mapping[str, Any], graph: Graph, spec: Spec, sizes: Mapping[str, int] | None = None
) -> None:
    """Raises ArchspecError where the weights of a file do not fit a graph, with the params of its spec that they would
    fit, or the spec of the run that they lie in, where either is found."""
    from compiler.infer_params import infer_params
    from compiler.mismatch import advise_mismatch, list_mismatches

    expected = {name: weight.shape for name, weight in graph.weights.items()}
    found = {name: tuple(array.shape) for name, array in weights.items()}
    if found == expected:
        return
    changed = infer_params(spec, expected, found, sizes or {})
    beside = _find_spec_beside(path, found)
    if changed:
        advice = "; they fit with " + " ".join(f"--set {name}={_write_value(value)}" for name, value in changed.items())
    else:
        convert = _write_conversion(path, spec, sizes or {})
        advice = f"; they fit {beside}, which lies beside them" if beside else advise_mismatch(expected, found, convert)
    raise ArchspecError(f"{path}: the weights do not fit {graph.name}: {list_mismatches(expected, found)}{advice}")


def check_run(spec: str | Path, weights: str | Path) -> None:
    """Raises ArchspecError where spec and weights are those of one run's folder, and not of one run."""
    from runtime.training.run_folder import SPEC, check_one_run
    from runtime.weights.file import open_weights

    beside = Path(weights).with_name(SPEC)
    together = os.path.isfile(beside) and os.path.exists(spec) and os.path.samefile(spec, beside)
    if together and find_file_type(weights) == SAFETENSORS:
        check_one_run(beside, lambda: elaborate(load(beside)).digest(), weights, open_weights(weights)[1])


def _write_conversion(path: str | Path, spec: Spec, sizes: Mapping[str, int]) -> str:
    """The command that gives the weights of a file the names of a spec."""
    name = Path(spec.file).stem
    source = name if name in zoo_specs() and shown(zoo_specs()[name]) == spec.file else spec.file
    own = load(source)
    params = {key: value for key, value in spec.params.items() if own.params.get(key) != value}
    pairs = [("--set", f"{name}={_write_value(value)}") for name, value in params.items()]
    pairs += [("--size", f"{name}={value}") for name, value in sizes.items()]
    chosen = "".join(f" {option} {pair}" for option, pair in pairs)
    converted = f"{Path(path).stem}.converted.safetensors"
    return (
        f"archspec weights convert {as_argument(path)} --to {as_argument(source)}{chosen} -o {as_argument(converted)}"
    )


def _find_spec_beside(path: str | Path, found: Mapping[str, tuple[int, ...]]) -> Path | None:
    """The spec of the run that a file of weights lies in, where they fit it."""
    from runtime.training.run_folder import SPEC

    beside = Path(path).with_name(SPEC)
    try:
        graph = elaborate(load(beside))
    except ArchspecError:
        return None
    return beside if {name: weight.shape for name, weight in graph.weights.items()} == found else None


def _write_value(value: Any) -> str:
    """The value as a word of a shell's command."""
    return shlex.quote(json.dumps(value, separators=(",", ":")))


@checked
def combine_weights(
    graph: Graph, files: Sequence[str | Path], how: str
) -> tuple[Graph, dict[str, Any], dict[str, str]]:
    """The ensemble of a graph with the weights of several files: its graph, its weights and its metadata.

    Raises ArchspecError where a file does not fit the graph, or the files disagree on class names or preprocessing.
    """
    from archspec.log import warn
    from compiler.ensemble import combine, describe_ensemble, member_weights
    from compiler.onnx_file.metadata import QUESTION, select, tell_epoch

    members, facts = [], None
    ensemble = combine(graph, len(files), how)
    for path in files:
        arrays, found = read_weights(path)
        try:
            graph.check_weights({name: array.shape for name, array in arrays.items()})
        except ArchspecError as error:
            raise ArchspecError(f"{path}: {error}") from error
        if unfinished := tell_epoch(found):
            warn(f"{path}: {unfinished}")
        asked = select(found, QUESTION)
        facts = asked if facts is None else facts
        if asked != facts:
            names = " and ".join(key for key in sorted(facts | asked) if facts.get(key) != asked.get(key))
            raise ArchspecError(f"{path} and {files[0]} differ in {names}: members of an ensemble answer one question")
        members.append(arrays)
    return ensemble, member_weights(members), {**(facts or {}), **describe_ensemble(how, len(files))}


@checked
def sample_ensemble(
    graph: Graph,
    weights: Mapping[str, Any],
    how: str,
    *,
    data: str,
    passes: int,
    batch: int | None = None,
    seed: int = 0,
    metadata: Mapping[str, str] | None = None,
) -> tuple[Graph, dict[str, Any], dict[str, str]]:
    """Monte Carlo batch normalization (Teye et al., 2018) as an ensemble: one network's weights, and in each member the
    statistics of another mini-batch of a data set's training images.

    Raises ArchspecError where the network has no batch normalization, does not take the images, or by its weights'
    `metadata` was trained on others.
    """
    from compiler.ensemble import combine, describe_ensemble, member_weights

    with extra("train"):
        from compiler.torch_target.module import load_weights as fill
        from compiler.torch_target.module import to_torch
    from compiler.onnx_file.metadata import DATA, MONTE_CARLO, PREPROCESS
    from runtime.data.registry import load_data
    from runtime.evaluation.monte_carlo import MC_BATCH, sample_states
    from runtime.pictures.preprocess import Preprocess
    from runtime.weights.given import take_weights

    dataset, told = load_data(data), (metadata or {}).get(PREPROCESS)
    if told is not None and Preprocess.from_json(told) != dataset.preprocess:
        own = f", but on those of {metadata[DATA]}" if metadata and DATA in metadata else ""
        problem = f"the weights were trained on other images than those of {data}{own}"
        raise ArchspecError(f"{problem}: its preprocessing differs")
    ensemble = combine(graph, passes, how)
    module = to_torch(graph)
    fill(module, graph, take_weights(weights))
    batch = batch or MC_BATCH
    states = sample_states(module, dataset, passes, batch, seed)
    chosen = {"batch": batch, "data": data, "seed": seed}
    facts = describe_ensemble(how, passes) | MONTE_CARLO.write(chosen)
    return ensemble, member_weights(states), facts
