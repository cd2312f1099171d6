"""Valid documents at random, as plain data.

Networks are small (at most 16 channels, extents of at most 32), so that torch and ONNX Runtime run them in no time;
between them they use every layer and every structure node.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from archspec.ops import Shape
from tests.writing import BLOCKS, CHANNELS, EXTENT, MODERATE, Body, Document, Scope, Writer

__all__ = ["MODERATE", "Document", "as_json", "descriptions", "specs"]


@st.composite
def specs(draw: DrawFn) -> Document:
    """A valid document."""
    writer = Writer(draw)
    document: Document = {"archspec": 1}
    if writer.chance(30):
        document |= {"name": "sample", "description": draw(descriptions())}
    numbers = {name: writer.number(0, 12) for name in ("a", "width", "on")[: writer.number(1, 3)]}
    document["params"] = {**numbers, "table": [1, 2.5, [True, 3]]}
    dimensions, sizes, shape = draw(_inputs())
    document["inputs"] = {"x": dimensions}
    taps = {"x": shape}
    if writer.chance(25):
        channels = writer.channels()
        document["inputs"]["other"] = [channels, *dimensions[1:]]
        taps["other"] = Shape(channels, *shape.space)
    if sizes:
        document["sizes"] = sizes
    if writer.chance(40):
        document["defaults"] = writer.one(
            {"conv": {"bias": False}},
            {"conv": {"init": "glorot"}, "linear": {"bias": "2 < 1"}},
            {"batch_norm": {"eps": "1 / 1000"}, "residual": {"survival": 0.75}},
            {"add": {"fit": "crop"}, "encoder_decoder": {"fit": "crop"}, "scale": {"trainable": True}},
            {"norm": {"kind": writer.one("ghost_batch", "batch_renorm")}},
            {"norm": {"kind": "none"}, "residual": {"survival": 0.5, "decay": "linear"}},
            {"norm": {"kind": "batch", "eps": 0.01}, "residual": {"scaling": "fixup"}},
        )
    blocks = writer.chance(50)
    if blocks:
        document["blocks"] = json.loads(json.dumps(BLOCKS))
    document["network"] = _network(writer, shape, Scope(numbers, taps, blocks))
    return document


def _network(writer: Writer, shape: Shape, scope: Scope) -> Body:
    network: Body = []
    for _ in range(writer.number(1, 6)):
        more, shape = writer.step(shape, scope)
        network += more
        if writer.chance(10):
            network.append({"output": f"side{writer.outputs}"})
            writer.outputs += 1
        if shape.channels > 4 * CHANNELS:
            node, shape = writer.mixing(shape, scope, CHANNELS)
            network.append(node)
    if "other" in scope.taps and writer.chance(60):
        network += [{"tap": "last"}, {"from": "other"}, *writer.keeping(scope.taps["other"], scope, 1)]
    head = writer.one([], ["flatten", {"linear": 3}], ["global_avg_pool", "flatten", {"linear": 3}])
    network += head if shape.rank and shape.elements <= 2048 and "last" not in str(network) else []
    if writer.outputs:
        network.append({"output": "main"})
    return network


@st.composite
def _inputs(draw: DrawFn) -> tuple[list[Any], dict[str, int], Shape]:
    """An input's entries, the values of its dynamic sizes, and its shape."""
    rank = draw(st.sampled_from([0, 1, 2, 2, 2, 3]))
    channels = draw(st.integers(1, CHANNELS))
    sizes: dict[str, int] = {}
    entries: list[Any] = []
    extents: list[int] = []
    for letter in "DHW"[:rank] if rank > 1 else "L"[:rank]:
        extent = draw(st.integers(1, EXTENT[rank]) | st.sampled_from([4, 8, EXTENT[rank]]))
        dynamic = draw(st.booleans())
        entries.append(letter if dynamic else extent)
        extents.append(extent)
        sizes |= {letter: extent} if dynamic else {}
    return [draw(st.sampled_from([channels, f"2 * {channels} / 2"])), *entries], sizes, Shape(channels, *extents)


def descriptions() -> SearchStrategy[str]:
    """Any text that YAML and JSON can hold, in one line or several."""
    return st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cn", "Cs"]) | st.sampled_from("\n\t\"'\\:#-{}"),
        max_size=20,
    )


def as_json(document: Any, *, indent: int | str | None = None, ascii_only: bool = True) -> str:
    return json.dumps(document, indent=indent, ensure_ascii=ascii_only)
