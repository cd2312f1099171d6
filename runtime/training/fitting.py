"""A spec made to take the images of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from archspec.bounds import MAX_NODES
from archspec.errors import ArchspecError, InputError
from archspec.ops import Shape, in_words
from archspec.spec.expressions import Expression, ExpressionError, lookup_of
from archspec.spec.inputs import is_size
from archspec.spec.spec import Spec
from archspec.wording import tell_count, write_shape, write_size
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from compiler.sizes.accepted_sizes import accepted_sizes
from runtime.data.adapting import IMAGENET, adapt_images
from runtime.data.dataset import Dataset
from runtime.recipes.data import DataSection
from runtime.tasks.registry import find_task


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


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """A spec with its graph, and the data brought to what it takes; `said` tells what was chosen, a line for each."""

    spec: Spec
    graph: Graph
    data: Dataset
    said: tuple[str, ...]


def fit_params(spec: Spec, data: Dataset, section: DataSection | None = None) -> dict[str, int]:
    """Find the params that follow from the data, where these have other values: the number of channels of the images,
    where a param stands for that in the input; with `section.size` the extents that params stand for there; and the
    number of classes or joints. Those that a caller set stay, and so do those that are lists or expressions.

    >>> from runtime.data.registry import load_data
    >>> fit_params(archspec.load("unet_bn"), load_data("digit_maps"))
    {'channels': 1, 'classes': 11}
    >>> fit_params(archspec.load("unet_bn", {"classes": 12}), load_data("digit_maps"))
    {'channels': 1}
    """
    free = {name for name, item in spec.definitions.params.items() if item.place.line and type(item.value) is int}
    known = data.preprocess.shape if section is not None and section.size else data.preprocess.shape[:1]
    entries = next(iter(spec.inputs_written.values()))
    pairs = zip(entries, known, strict=False) if isinstance(entries, list) else ()
    found = {entry: extent for entry, extent in pairs if isinstance(entry, str) and entry in spec.params}
    names = [name for name in find_task(data.task).class_params if name in spec.params and name not in found]
    found |= dict.fromkeys(names[:1], len(data.classes))
    return {name: number for name, number in found.items() if name in free and spec.params[name] != number}


def fit_network(
    spec: Spec,
    data: Dataset,
    section: DataSection | None = None,
    *,
    sizes: Mapping[str, int] | None = None,
    max_nodes: int | None = None,
) -> FittedNetwork:
    """Bring a spec and the data that a word names together: the spec gets the params that `fit_params` finds, and the
    images the channels and the extents that the network takes.

    Dynamic sizes are those of `sizes`, else of `section.size`, else the images' own, or the nearest that fit; where an
    answer is no map, images that are larger than the sizes that the spec is written with are brought to these.

    Raises InputError where the network takes no images of the data, and says with which params it would, and SpecError
    where the spec cannot be made with its params.
    """
    section, max_nodes = section or DataSection(), max_nodes or MAX_NODES
    changes = fit_params(spec, data, section)
    fitted = spec.with_params(changes) if changes else spec
    said = [f"{name} = {number} (from {data.name})" for name, number in changes.items()]
    shape = _read_shape(fitted)
    if len(shape) == len(data.preprocess.shape):
        wished = bool(sizes)
        sizes = _choose_sizes(fitted, shape[1:], data, section, sizes or {}, max_nodes)
        extents = [sizes[entry] if isinstance(entry, str) else entry for entry in shape]
        adapted = adapt_images(data, extents[0], extents[1:], section)
        if section.normalize == "imagenet" and adapted.preprocess.channels != len(IMAGENET[0]):
            raise InputError(
                f"data.normalize: imagenet is of three channels, and {spec.name} takes {adapted.preprocess.channels}: "
                "leave it out, or choose none"
            )
        said += _tell_changes(data, adapted, None if wished else fitted, max_nodes)
        data = adapted
    fitted, graph = fit_spec(fitted, data, sizes=sizes, max_nodes=max_nodes)
    return FittedNetwork(fitted, graph, data, tuple(said))


def _read_shape(spec: Spec) -> tuple[Any, ...]:
    """The channels of a spec's only input of numbers, and its extents, dynamic ones as letters; none where there is
    no such input, or it has no values, which is told where the graph is made."""
    shape = next(iter(spec.inputs.values()))
    if len(spec.inputs) != 1 or shape.type != "float":
        return ()
    try:
        values = [entry(lookup_of(spec.names)) if isinstance(entry, Expression) else entry for entry in shape]
    except ExpressionError:
        return ()
    return tuple(values) if all(isinstance(value, int) or is_size(value) for value in values) else ()


def _choose_sizes(
    spec: Spec,
    shape: Sequence[Any],
    data: Dataset,
    section: DataSection,
    given: Mapping[str, int],
    max_nodes: int,
) -> dict[str, int]:
    """The dynamic sizes of the input: those that are wished, or the nearest that the network accepts."""
    own = data.preprocess.size
    pairs = list(zip(shape, own, strict=True))
    written = [spec.sizes.get(entry, extent) if is_size(entry) else extent for entry, extent in pairs]
    larger = any(extent > most for extent, most in zip(own, written, strict=True))
    wanted = written if larger and section.size is None and data.task != "maps" else own
    wished = {entry: extent for entry, extent in zip(shape, wanted, strict=True) if is_size(entry)} | dict(given)
    try:
        elaborate(replace(spec, sizes={**spec.sizes, **wished}), max_nodes=max_nodes)
    except ArchspecError:
        rules = accepted_sizes(elaborate(spec, max_nodes=max_nodes), keep_weights=False)
        near = {name: rules[name].nearest(extent) for name, extent in wished.items() if name in rules}
        return near | dict(given)
    return wished


def _tell_changes(before: Dataset, after: Dataset, spec: Spec | None, max_nodes: int) -> Iterator[str]:
    """Tell how the images are brought to what the network takes, and of a spec, by which options it would take them as
    they are."""
    old, new = before.preprocess, after.preprocess
    if old.channels != new.channels:
        become = f"{new.channels} equal channels" if old.channels == 1 else "gray, by their luma"
        yield f"the images of {before.name} have {tell_count(old.channels, 'channel')}, and become {become}"
    if old.size != new.size:
        sizes = f"from {write_size(old.size)} to {write_shape(new.size)}"
        options = _find_options(spec, (new.channels, *old.size), max_nodes) if spec else ""
        others = f"; {options} takes {write_shape(old.size)}" if options else ""
        yield f"the images of {before.name} are brought {sizes} (data.resize: {new.resize}{others})"


def _advise(spec: Spec, wanted: Sequence[int], max_nodes: int) -> str:
    """Tell how a spec would take one input of these extents."""
    options = _find_options(spec, wanted, max_nodes)
    return f"take {options}" if options else "choose another spec, or change its `inputs`"


def _find_options(spec: Spec, wanted: Sequence[int], max_nodes: int) -> str:
    """Find the options by which a spec would take one input of these extents, where params or sizes stand in it; empty
    where it would not."""
    pairs = list(zip(next(iter(spec.inputs_written.values())), wanted, strict=False))
    params = {entry: extent for entry, extent in pairs if entry in spec.params and spec.params[entry] != extent}
    sizes = {entry: extent for entry, extent in pairs if is_size(entry) and spec.sizes.get(entry) != extent}
    changed = replace(spec.with_params(params), sizes={**spec.sizes, **sizes})
    try:
        taken = [node.shape for node in elaborate(changed, max_nodes=max_nodes).inputs.values()]
    except ArchspecError:
        taken = []
    chosen = [("--set", params), ("--size", sizes)] if taken == [tuple(wanted)] else []
    return " ".join(f"{option} {name}={extent}" for option, given in chosen for name, extent in given.items())
