"""Writes docs/coverage.md: which architectures of the field the language says, counted over `architectures.csv`.

Each row of the list names an architecture, where it is found, and what it needs beyond the words that every network
uses: convolutions, linear layers, normalizations, pointwise functions, pooling, sums, concatenations, products by
gates, enlarging by whole numbers. A need is said if the language has the node, the field or the value that `SAID`
names: that is looked up in the JSON Schema, so a word that goes is missed here.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from archspec.spec.schema import json_schema

LIST = Path(__file__).with_name("architectures.csv")

SAID: Mapping[str, str] = {
    "slice": "slice",
    "per_axis": "conv.kernel[]",
    "attention": "attend",
    "learned": "learned",
    "map": "map",
    "relative_bias": "attend.bias=relative",
    "cosine": "attend.similarity=cosine",
    "windows": "windows",
    "grid": "windows.grid",
    "pad": "pad",
    "pad_reflect": "pad.mode=reflect",
    "same_end": "conv.padding=same_end",
    "causal": "conv.padding=causal",
    "crop": "concat.fit=crop",
    "resize": "upsample.corners",
    "corners": "upsample.corners",
    "resize_like": "resize.like",
    "depth_to_space": "depth_to_space",
    "space_to_depth": "space_to_depth",
    "shuffle": "shuffle_channels",
    "count_inside": "avg_pool.count=inside",
    "shared": "conv.share",
    "sub": "sub",
    "div": "div",
    "l2_norm": "l2_norm",
    "rms_norm": "rms_norm",
    "lrn": "local_response_norm",
    "reduce": "reduce",
    "standardize": "conv.standardize",
    "prelu_network": "prelu.per=network",
    "channel_conv": "channel_conv",
    "concat_axis": "concat.axis",
    "adaptive_pool": "adaptive_avg_pool",
    "unpool": "max_unpool",
    "lstm": "lstm",
    "gru": "gru",
    "embedding": "embedding",
    "glu": "glu",
    "mish": "mish",
    "selu": "selu",
    "abs": "abs",
    "sqrt": "sqrt",
    "softmax_branches": "softmax.branches",
    "softmax_positions": "softmax.over=positions",
    "deform": "deform_conv",
    "transpose": "transpose",
}
"""The needs that have a word: a node, `node.field`, `node.field=value`, or `node.field[]` where a list is taken."""

UNSAID: Mapping[str, str] = {
    "attention_axial": "attention along one axis at a time",
    "attention_channels": "attention between channels instead of positions",
    "attention_factorized": "attention in another order of its products",
    "attention_gated": "attention with a learned gate between content and position",
    "attention_linear": "linear attention, which never forms the matrix of weights",
    "attention_talking": "heads that are mixed before and behind the softmax",
    "class_bias": "a relative bias that treats the class token apart",
    "codebook": "the nearest row of a codebook",
    "corner_pool": "running maxima from the corners",
    "correlation": "correlations of two maps over displacements",
    "deform_attention": "attention at places that the network computes",
    "fourier": "Fourier transforms",
    "graph": "neighbours that another input lists",
    "grid_sample": "values at places that the network computes",
    "halo": "windows that overlap for keys and values",
    "inverse": "inverting a stored matrix",
    "kernel_from_input": "kernels that are computed from the input",
    "knn": "nearest neighbours",
    "lambda": "linear functions that are computed from the context",
    "masked_kernel": "kernels with a fixed mask",
    "modulated": "kernels that are scaled for each sample",
    "ode": "a solver with steps of its own choice",
    "overlapping": "windows that overlap",
    "product": "the product of two maps over channels or positions, without a softmax",
    "random": "values drawn while the network runs",
    "relative_buckets": "a relative bias of distances in buckets",
    "relative_by_axis": "a relative bias that depends on the query",
    "relative_by_position": "a relative bias whose table is indexed by absolute distances",
    "roi": "regions that the network proposes",
    "rotary": "rotary positions",
    "routing": "routing by agreement",
    "scan": "a selective scan along the positions",
    "shift_in_time": "channels that are shifted along time, across samples of a batch",
    "sinc": "kernels computed from cut-off frequencies",
    "sparsemax": "sparsemax",
    "spikes": "a state between time steps",
    "spline": "learned splines on the edges",
    "topk": "a choice of the largest",
    "unfold": "a neighbourhood of each position as channels, with weights of its own",
    "unroll": "positions in an order of nested windows",
    "windows_strips": "windows that differ between heads",
}
"""The needs that no word says, in words."""


@dataclass(frozen=True)
class Architecture:
    """An architecture of the field: its name, the library or the paper that it is from, and what it needs."""

    name: str
    source: str
    needs: tuple[str, ...]

    @property
    def lacks(self) -> tuple[str, ...]:
        """The needs that the language does not say."""
        return tuple(need for need in self.needs if not is_said(need))


@cache
def read_architectures() -> tuple[Architecture, ...]:
    """The list, in the order of its file."""
    with LIST.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return tuple(Architecture(row["name"], row["source"], tuple(row["needs"].split())) for row in rows)


@cache
def is_said(need: str) -> bool:
    """Tell whether the language has the word of a need."""
    if need not in SAID:
        return False
    word, _, rest = SAID[need].partition(".")
    field, _, value = rest.removesuffix("[]").partition("=")
    nodes = _read_nodes()
    if word not in nodes:
        return False
    if not field:
        return True
    found = _find_field(nodes[word], field)
    if found is None:
        return False
    return value in _list_words(found) if value else "array" in _list_types(found) if rest.endswith("[]") else True


@cache
def _read_nodes() -> Mapping[str, Any]:
    nodes: Mapping[str, Any] = json_schema()["$defs"]["node"]["anyOf"][1]["properties"]
    return nodes


def _find_field(node: Any, field: str) -> Any:
    """Find a field of a node, whichever way its model is reached."""
    definitions = json_schema()["$defs"]
    for part in _walk(node):
        if "$ref" in part:
            properties = definitions[part["$ref"].rpartition("/")[2]].get("properties", {})
            if field in properties:
                return properties[field]
    return None


def _walk(schema: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(schema, Mapping):
        yield schema
        for part in schema.values():
            yield from _walk(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _walk(part)


def _list_words(field: Any) -> set[str]:
    parts = [*_walk(field)]
    return {word for part in parts for word in (*part.get("enum", ()), part.get("const"))}


def _list_types(field: Any) -> set[str]:
    return {str(part.get("type")) for part in _walk(field)}


def write_page() -> str:
    """Write the page: the counts, what each need adds, and the list of what is not said."""
    rows = read_architectures()
    lacking = [row for row in rows if row.lacks]
    reasons = Counter(need for row in lacking for need in row.lacks)
    lines = [
        "# What can be said",
        "",
        "<!-- Written by docs/coverage_page.py from docs/architectures.csv; `make docs` writes it anew. -->",
        "",
        f"Of {len(rows)} architectures that people use, of torchvision, timm, segmentation_models_pytorch, MONAI,",
        f"nnU-Net, Ultralytics, diffusers and papers, the language says **{len(rows) - len(lacking)}**. The list is",
        "[architectures.csv](architectures.csv): a row for each, with what it needs beyond the words that every",
        "network uses. Counted is what the words allow, not what stands in [the zoo](zoo.md), whose networks are held",
        "against their libraries. What works on boxes, or draws samples, is left out where the row names a part.",
        "",
        "## What is not said",
        "",
        "| architectures | what they need |",
        "|--:|---|",
        *(f"| {count} | {UNSAID.get(need) or f'`{SAID[need]}`'} |" for need, count in reasons.most_common()),
        "",
        "| architecture | from | what no word says |",
        "|---|---|---|",
        *(
            f"| {row.name} | {row.source} | {'; '.join(UNSAID.get(need) or f'`{SAID[need]}`' for need in row.lacks)} |"
            for row in lacking
        ),
        "",
    ]
    return "\n".join(lines)
