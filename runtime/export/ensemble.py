"""Ensembles to be exported: of several files of weights, or of one network with the statistics of mini-batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from archspec.bounds import MC_BATCH
from archspec.errors import ArchspecError, InputError
from archspec.log import warn
from compiler.ensemble import combine, describe_ensemble, member_weights
from compiler.graph import Graph
from compiler.onnx_file.metadata import DATA, MONTE_CARLO, PREPROCESS, QUESTION, select, tell_epoch
from runtime.export.weights import read_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Monte Carlo batch normalization: statistics of `passes` mini-batches, of `batch` training images of the data set
    `data` (None: as many as a training step takes by default), which `seed` chooses."""

    data: str
    passes: int
    batch: int | None = None
    seed: int = 0


class SamplingKeywords(TypedDict, total=False):
    """The fields of a Sampling as the keywords of a function that takes them one by one."""

    data: str
    passes: int
    batch: int | None
    seed: int


def combine_weights(
    graph: Graph, files: Sequence[str | Path], how: str
) -> tuple[Graph, dict[str, Any], dict[str, str]]:
    """Make the ensemble of a graph with the weights of several files: its graph, its weights and its metadata.

    Raises InputError where a file does not fit the graph, or the files disagree on class names or preprocessing.
    """
    members, facts = [], None
    ensemble = combine(graph, len(files), how)
    for path in files:
        arrays, found = read_weights(path)
        try:
            graph.check_weights({name: array.shape for name, array in arrays.items()})
        except ArchspecError as error:
            raise InputError(f"{path}: {error}") from error
        if unfinished := tell_epoch(found):
            warn(f"{path}: {unfinished}")
        asked = select(found, QUESTION)
        facts = asked if facts is None else facts
        if asked != facts:
            names = " and ".join(key for key in sorted(facts | asked) if facts.get(key) != asked.get(key))
            raise InputError(f"{path} and {files[0]} differ in {names}: members of an ensemble answer one question")
        members.append(arrays)
    return ensemble, member_weights(members), {**(facts or {}), **describe_ensemble(how, len(files))}


def sample_ensemble(
    graph: Graph, weights: Mapping[str, Any], how: str, sampling: Sampling, metadata: Mapping[str, str]
) -> tuple[Graph, dict[str, Any], dict[str, str]]:
    """Make the ensemble of one network (`weights` are arrays by name), whose members have the statistics of one
    mini-batch each: its graph, its weights and its metadata.

    Raises InputError where the network has no batch normalization, does not take the images, or by its weights'
    `metadata` was trained on others.
    """
    from compiler.torch_target.module import build_module
    from runtime.data.registry import load_data
    from runtime.evaluation.monte_carlo import sample_states
    from runtime.pictures.preprocess import Preprocess

    dataset, told = load_data(sampling.data), metadata.get(PREPROCESS)
    if told is not None and Preprocess.from_json(told) != dataset.preprocess:
        own = f", but on those of {metadata[DATA]}" if DATA in metadata else ""
        problem = f"the weights were trained on other images than those of {sampling.data}{own}"
        raise InputError(f"{problem}: its preprocessing differs")
    ensemble = combine(graph, sampling.passes, how)
    batch = MC_BATCH if sampling.batch is None else sampling.batch
    states = sample_states(build_module(graph, weights), dataset, sampling.passes, batch, sampling.seed)
    chosen = {"batch": batch, "data": sampling.data, "seed": sampling.seed}
    return ensemble, member_weights(states), describe_ensemble(how, sampling.passes) | MONTE_CARLO.write(chosen)
