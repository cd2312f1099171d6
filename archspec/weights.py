"""The Python API of weights: read, taken over from elsewhere, and combined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from archspec.arguments import checked, take_keywords, takes_keywords_of
from compiler.graph import Graph

if TYPE_CHECKING:
    from runtime.export.ensemble import SamplingKeywords
    from runtime.weights.convert import Conversion
    from runtime.weights.name_rules import NameRules


@checked
def read_weights(path: str | Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The arrays of a file of weights by name, and what it says of their training, for an exported model to take over:
    its task, names, preprocessing, stride and data set, and after which epoch it was stopped, if it was. The file is
    safetensors, or a state dict that `torch.save` wrote, which says nothing of its training. Raises ArchspecError, and
    MissingExtra where torch is needed.

    >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    >>> import torch
    >>> torch.save(archspec.to_torch(graph).state_dict(), "weights.pth")
    >>> weights, facts = archspec.read_weights("weights.pth")
    >>> weights["linear_0.weight"].shape, facts
    ((8, 100), {})
    """
    from runtime.export.weights import read_weights as read

    return read(path)


@checked
def find_rules(source: str | Path, params: Mapping[str, Any]) -> list[NameRules]:
    """The rules beside a spec (a file or a zoo name) that say how its weights are called elsewhere; none where nobody
    wrote any.

    >>> [rules.sources for rules in archspec.find_rules("resnet18", archspec.load("resnet18").params)]
    [('torchvision', 'timm')]
    """
    from runtime.weights.name_rules import find_rules as find

    return find(source, params)


@checked
def match_weights(path: str | Path, graph: Graph, rules: Sequence[NameRules] = (), source: str = "auto") -> Conversion:
    """Match the state dict in a file with a graph by its own names or by these rules, and tell what does not match; its
    numbers are not read yet.

    `source` is a library that the rules name, `archspec` for the graph's own names, or `auto`. Raises ArchspecError
    where the file is no state dict.

    >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    >>> import torch
    >>> torch.save(archspec.to_torch(graph).state_dict(), "weights.pth")
    >>> conversion = archspec.match_weights("weights.pth", graph)
    >>> conversion.is_whole, len(conversion.pairs)
    (True, 6)
    """
    from compiler.onnx_file.metadata import CARRIED, select
    from runtime.weights.convert import convert
    from runtime.weights.state_dict import read_state_dict

    state, facts = read_state_dict(path)
    return convert(state, graph, rules, source, select(facts, CARRIED))


@checked
def write_converted(path: str | Path, graph: Graph, conversion: Conversion) -> None:
    """Write the weights of a conversion in which everything matched. Raises ArchspecError, and leaves no file, where
    something did not, or a number is not finite.

    >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    >>> import torch
    >>> torch.save(archspec.to_torch(graph).state_dict(), "weights.pth")
    >>> archspec.write_converted("weights.safetensors", graph, archspec.match_weights("weights.pth", graph))
    >>> len(archspec.read_weights("weights.safetensors")[0])
    6
    """
    from compiler.onnx_file.metadata import GRAPH
    from runtime.weights.safetensors_file import save_weights

    save_weights(path, conversion.read(), {**conversion.facts, **GRAPH.write(graph.digest())})


@checked
def combine_weights(
    graph: Graph, files: Sequence[str | Path], how: str
) -> tuple[Graph, dict[str, Any], dict[str, str]]:
    """The ensemble of a graph with the weights of several files: its graph, its weights and its metadata. `how` is
    `mean` or `vote`.

    Raises ArchspecError where a file does not fit the graph, or the files disagree on class names or preprocessing.

    >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    >>> import torch
    >>> torch.save(archspec.to_torch(graph).state_dict(), "weights.pth")
    >>> ensemble, weights, facts = archspec.combine_weights(graph, ["weights.pth", "weights.pth"], "mean")
    >>> facts
    {'archspec.combine': 'mean', 'archspec.members': '2'}
    """
    from runtime.export.ensemble import combine_weights as combine

    return combine(graph, files, how)


@takes_keywords_of("runtime.export.ensemble.SamplingKeywords")
@checked
def sample_ensemble(
    graph: Graph,
    weights: Mapping[str, Any],
    how: str,
    *,
    metadata: Mapping[str, str] | None = None,
    **sampling: Unpack[SamplingKeywords],
) -> tuple[Graph, dict[str, Any], dict[str, str]]:
    """Monte Carlo batch normalization (Teye et al., 2018) as an ensemble: one network's weights, and in each member the
    statistics of another mini-batch of a data set's training images. Its graph, its weights and its metadata.

    Keywords, beside what the weights say of their training (`metadata`): `data`, the name of the data set; `passes`,
    the number of members; `batch`, the images of a mini-batch (default: 32); `seed`, which chooses them (default: 0).

    Raises ArchspecError where the network has no batch normalization, does not take the images, or by its weights'
    `metadata` was trained on others.

    >>> spec = archspec.load("resnet_digits", params={"depths": [1, 1, 1], "widths": [2, 2, 2]})
    >>> graph = archspec.elaborate(spec)
    >>> weights = archspec.to_torch(graph).state_dict()
    >>> ensemble, members, facts = archspec.sample_ensemble(graph, weights, "mean", data="digits", passes=2, batch=16)
    >>> len(members) == 2 * len(weights)
    True
    """
    from runtime.export.ensemble import Sampling
    from runtime.export.ensemble import sample_ensemble as sample
    from runtime.weights.in_memory import take_weights

    chosen = take_keywords(Sampling, "sample_ensemble", sampling)
    return sample(graph, take_weights(weights), how, chosen, metadata or {})
