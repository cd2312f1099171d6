"""A spec made to take the images of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict

from archspec.bounds import MAX_NODES
from archspec.errors import ArchspecError, InputError
from archspec.ops import Shape, in_words
from archspec.spec.document import is_size
from archspec.spec.load import Spec
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from runtime.data.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Fitting:
    """Dynamic sizes that are others than the extents of the images, and the nodes that the spec may expand to."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    max_nodes: int = MAX_NODES


class FittingKeywords(TypedDict, total=False):
    """The fields of a Fitting as the keywords of a function that takes them one by one; None is the default."""

    sizes: Mapping[str, int] | None
    max_nodes: int


IMAGES_DECIDE = Fitting()


def fit_spec(spec: Spec, data: Dataset, fitting: Fitting = IMAGES_DECIDE) -> tuple[Spec, Graph]:
    """Give a spec the extents of the data's images for its dynamic sizes, where `fitting` says no others, with its
    graph.

    Raises InputError where it does not take one image, and says with which params it would.
    """
    wanted = data.preprocess.shape
    shape = next(iter(spec.inputs.values()))
    extents = {name: extent for name, extent in zip(shape, wanted, strict=False) if is_size(name)}
    fitted = replace(spec, sizes={**spec.sizes, **extents, **fitting.sizes})
    graph = elaborate(fitted, max_nodes=fitting.max_nodes)
    taken = [node.shape for node in graph.inputs.values()]
    if taken != [wanted]:
        found = f"{spec.name} takes {in_words(taken)}; the images of {data.name} are {Shape(*wanted)}"
        raise InputError(f"{found}: {_advise(fitted, wanted, fitting.max_nodes)}")
    return fitted, graph


def _advise(spec: Spec, wanted: Sequence[int], max_nodes: int) -> str:
    """How a spec would take one input of these extents: by other params, where these stand in its input."""
    extents = next(iter(spec.inputs_written.values()))
    changes = {entry: extent for entry, extent in zip(extents, wanted, strict=False) if entry in spec.params}
    variant = replace(spec, params={**spec.params, **changes})
    try:
        taken = [node.shape for node in elaborate(variant, max_nodes=max_nodes).inputs.values()]
    except ArchspecError:
        taken = []
    if changes and taken == [tuple(wanted)]:
        return " ".join(["take", *(f"--set {name}={extent}" for name, extent in changes.items())])
    return "choose another spec, or change its `inputs`"
