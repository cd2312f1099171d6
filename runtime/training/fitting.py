"""A spec made to take the images of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypedDict

from archspec.bounds import MAX_NODES
from archspec.errors import ArchspecError, InputError
from archspec.ops import Shape, in_words
from archspec.spec.inputs import is_size
from archspec.spec.spec import Spec
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from runtime.data.dataset import Dataset


class FittingKeywords(TypedDict, total=False):
    """The arguments that `fit_spec` takes beside spec and data, as keywords of a function that hands it on; None is the
    default."""

    sizes: Mapping[str, int] | None
    max_nodes: int


def fit_spec(
    spec: Spec, data: Dataset, *, sizes: Mapping[str, int] | None = None, max_nodes: int | None = None
) -> tuple[Spec, Graph]:
    """Give a spec the extents of the data's images for its dynamic sizes, where `sizes` says no others, with its
    graph of at most `max_nodes` nodes (None: MAX_NODES).

    Raises InputError where it does not take one image, and says with which params it would.
    """
    wanted, max_nodes = data.preprocess.shape, max_nodes or MAX_NODES
    shape = next(iter(spec.inputs.values()))
    extents = {name: extent for name, extent in zip(shape, wanted, strict=False) if is_size(name)}
    fitted = replace(spec, sizes={**spec.sizes, **extents, **(sizes or {})})
    graph = elaborate(fitted, max_nodes=max_nodes)
    if graph.rows:
        raise InputError(f"{spec.name} takes whole numbers as '{next(iter(graph.rows))}', and {data.name} has images")
    taken = [node.shape for node in graph.inputs.values()]
    if taken != [wanted]:
        found = f"{spec.name} takes {in_words(taken)}; the images of {data.name} are {Shape(*wanted)}"
        raise InputError(f"{found}: {_advise(fitted, wanted, max_nodes)}")
    return fitted, graph


def _advise(spec: Spec, wanted: Sequence[int], max_nodes: int) -> str:
    """Tell how a spec would take one input of these extents: by other params, where these stand in its input."""
    extents = next(iter(spec.inputs_written.values()))
    changes = {entry: extent for entry, extent in zip(extents, wanted, strict=False) if entry in spec.params}
    try:
        taken = [node.shape for node in elaborate(spec.with_params(changes), max_nodes=max_nodes).inputs.values()]
    except ArchspecError:
        taken = []
    if changes and taken == [tuple(wanted)]:
        return " ".join(["take", *(f"--set {name}={extent}" for name, extent in changes.items())])
    return "choose another spec, or change its `inputs`"
