"""The weights that a training begins from, where these are others than random ones."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path

import numpy as np

from archspec.errors import InputError
from archspec.extras import extra
from archspec.log import warn
from archspec.wording import list_some, write_shape
from compiler.graph import Graph
from runtime.training.freezing import match_names
from runtime.training.roles import find_roles
from runtime.weights.safetensors_file import read_all
from runtime.weights.state_dict import read_state_dict

with extra("train"):
    import torch
    from torch import nn

HEAD = "head"
"""The word for the layers that give the outputs."""


def begin_from(
    module: nn.Module, graph: Graph, path: str | Path, reset: Sequence[str] = (), *, may_reset: bool = True
) -> None:
    """Give a graph's module the weights of a file, but for those that `reset` leaves as they were drawn: the layers
    that give the outputs (head), or those whose names a pattern fits, as in a recipe's `freeze`.

    What the file has and the network has not is told in the log. Raises InputError where the network has weights that
    the file has not, or of other shapes, and says what to reset: in a training before this one, unless it `may_reset`.
    """
    fresh = check_reset(graph, reset)
    given = read_all(read_state_dict(path)[0])
    wanted = {name: weight.shape for name, weight in graph.weights.items() if name not in fresh}
    missing = [name for name in wanted if name not in given]
    misfits = [name for name in wanted if name in given and tuple(given[name].shape) != tuple(wanted[name])]
    if missing or misfits:
        problems = [f"'{name}' is not in it" for name in missing]
        for name in misfits:
            found, asked = write_shape(given[name].shape), write_shape(wanted[name])
            problems.append(f"'{name}' is {found} and should be {asked}")
        advice = _advise(graph, {*missing, *misfits}, may_reset=may_reset)
        raise InputError(f"{path} does not fit {graph.name}: {list_some(problems)}; {advice}")
    left = [name for name in given if name not in graph.weights]
    if left:
        warn(f"{path} has {len(left)} weights that {graph.name} has not: {list_some(left, separator=', ')}")
    state = {name: torch.from_numpy(np.array(given[name])) for name in wanted}
    module.load_state_dict(state, strict=False)


def check_reset(graph: Graph, reset: Sequence[str]) -> frozenset[str]:
    """List the weights that are left as they were drawn. Raises InputError where a pattern fits none."""
    fresh: set[str] = set()
    for word in reset:
        heads = [name for name, role in find_roles(graph).items() if role.is_head] if word == HEAD else []
        fitting = heads or match_names(word, graph.weights)
        if not fitting:
            known = list_some(list(dict.fromkeys(name.partition(".")[0] for name in graph.weights)), separator=", ")
            raise InputError(f"--reset {word}: {graph.name} has no weights of that name; there are {HEAD}, {known}")
        fresh.update(fitting)
    return frozenset(fresh)


def _advise(graph: Graph, misfits: Set[str], *, may_reset: bool) -> str:
    """Say what to do about weights that the file has not, or otherwise."""
    before = "" if may_reset else "train in float first, from these weights: "
    if misfits <= {name for name, role in find_roles(graph).items() if role.is_head}:
        return f"{before}--reset {HEAD} draws those of the layers that give the outputs anew"
    advice = "give the network the params that they were trained with, convert them (`archspec weights convert`), or "
    return f"{advice}{before}draw some anew with --reset NAME"
