"""The weights that a network is exported with: fresh ones, those of a file, or those of the members of an ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archspec.bounds import MAX_NODES
from archspec.errors import ArchspecError
from archspec.extras import extra
from archspec.spec.spec import Spec
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from runtime.export.ensemble import Sampling, combine_weights, sample_ensemble
from runtime.export.weights import check_fit, check_run, find_trained_sizes, read_weights


class MembersError(ArchspecError):
    """The members that are asked for do not go together. The message has the words of the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """The weights that are asked for: none (fresh ones from `seed`), one file, or several, whose outputs `combine` says
    how to combine; or an ensemble of one network too, by as many passes as `monte_carlo` says over mini-batches of
    `mc_batch` images of `data`. Raises MembersError where these do not go together."""

    files: Sequence[Path] = ()
    combine: str | None = None
    monte_carlo: int | None = None
    data: str | None = None
    mc_batch: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        problem = self._find_problem() if self.monte_carlo is None else self._find_problem_of_sampling()
        if problem:
            raise MembersError(problem)

    def _find_problem(self) -> str | None:
        count = len(self.files)
        for option, value in {"--data": self.data, "--mc-batch": self.mc_batch}.items():
            if value is not None:
                return f"{option} is read by --monte-carlo T alone"
        if count > 1 and self.combine is None:
            return f"{count} files of weights make an ensemble: say --combine mean or --combine vote"
        if count < 2 and self.combine is not None:
            found = "one was given" if count else "none was given"
            return f"--combine makes an ensemble of several files of weights, of which {found}"
        if count and self.seed is not None:
            return "--seed is read by fresh weights and by --monte-carlo T alone"
        return None

    def _find_problem_of_sampling(self) -> str | None:
        if len(self.files) > 1:
            return "--monte-carlo samples the statistics of one network"
        return "--monte-carlo needs --data, whose images it reads" if self.data is None else None

    def __len__(self) -> int:
        return self.monte_carlo or max(1, len(self.files))


@dataclass(frozen=True, slots=True)
class Network:
    """A graph with its weights, as arrays or tensors by name, and what these say of their training; `trained_sizes` are
    the sizes that it has since they were trained so, and not by its spec."""

    graph: Graph
    weights: Mapping[str, Any]
    metadata: Mapping[str, str] = field(default_factory=dict)
    trained_sizes: Mapping[str, int] = field(default_factory=dict)


def read_network(
    spec: Spec, members: Members, sizes: Mapping[str, int] | None = None, *, max_nodes: int = MAX_NODES
) -> Network:
    """Read the network of a spec that is to be exported, with the weights of its members. Sizes that are not given are
    those of training, by what the weights say of it, else the spec's own.

    Raises ArchspecError where weights do not fit the spec, or one another.
    """
    files, sizes = members.files, sizes or {}
    for file in files:
        check_run(spec.file, file)
    first, metadata = read_weights(files[0]) if files else ({}, {})
    trained = {name: value for name, value in find_trained_sizes(spec, metadata).items() if name not in sizes}
    chosen = {**trained, **sizes}
    graph = elaborate(spec, chosen, max_nodes=max_nodes)
    if len(files) > 1:
        return Network(*combine_weights(graph, files, members.combine or ""), trained)
    if files:
        check_fit(files[0], first, graph, spec, chosen)
    single = Network(graph, first if files else _draw_weights(graph, members.seed or 0), metadata, trained)
    return single if members.monte_carlo is None else _sample(single, members, members.monte_carlo)


def _draw_weights(graph: Graph, seed: int) -> dict[str, Any]:
    with extra("train"):
        from compiler.torch_target.module import to_torch

    return dict(to_torch(graph, seed=seed).state_dict())


def _sample(single: Network, members: Members, passes: int) -> Network:
    from runtime.weights.in_memory import take_weights

    sampling = Sampling(data=members.data or "", passes=passes, batch=members.mc_batch, seed=members.seed or 0)
    weights = take_weights(single.weights)
    graph, arrays, facts = sample_ensemble(single.graph, weights, members.combine or "mean", sampling, single.metadata)
    return Network(graph, arrays, {**single.metadata, **facts}, single.trained_sizes)
