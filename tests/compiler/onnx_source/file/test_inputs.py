"""The extents of inputs: batches, open sizes, and those that a file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import ArchspecError
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import (
    build_nodes,
    floats,
    node,
)
from tests.support.models import build_model, save

KERNEL = {"w": floats(6, 4, 3, 3), "b": floats(6)}


@pytest.mark.parametrize("batch", ["n", None, 0, 1, 4])
def test_numbers_are_those_of_one_sample(batch: int | str | None, tmp_path: Path) -> None:
    model = build_model(
        [node("Conv", "x w b", "h"), node("Flatten", "h")], {"x": [batch, 4, 9, 12]}, {"y": None}, KERNEL
    )
    graph = read_graph(save(model, tmp_path / "m.onnx"))
    assert [item.shape for item in graph] == [(4, 9, 12), (6, 7, 10), (420,)]


@pytest.fixture
def open_sizes(tmp_path: Path) -> Path:
    model = build_model([node("Conv", "x w b")], {"x": ["n", 4, "height", None]}, {"y": None}, KERNEL)
    return save(model, tmp_path / "m.onnx")


def test_a_size_that_the_file_leaves_open_has_to_be_given(open_sizes: Path) -> None:
    message = r"leaves open height, x\.3: say which, as in --size height=224 --size x\.3=224"
    with pytest.raises(ArchspecError, match=message):
        read_graph(open_sizes)
    graph = read_graph(open_sizes, sizes={"height": 9, "x.3": 12})
    assert graph[graph.outputs["y"]].shape == (6, 7, 10)
    assert dict(graph.sizes) == {"height": 9, "x.3": 12}


def test_a_size_that_the_file_does_not_have_is_refused(open_sizes: Path) -> None:
    with pytest.raises(ArchspecError, match=r"has no size 'heigth'; did you mean 'height'\?"):
        read_graph(open_sizes, sizes={"heigth": 9})


def test_sizes_that_are_written_in_the_file(tmp_path: Path) -> None:
    """As an exported spec says them; what is no such text is passed over."""
    for text, known in (('{"H": {"value": 9}}', True), ("[1]", False), ('{"H": {"value": "x"}}', False), ("{", False)):
        model = build_model([node("Relu", "x")], {"x": ["n", "H"]}, {"y": None}, metadata={"archspec.sizes": text})
        path = save(model, tmp_path / "m.onnx")
        if known:
            assert dict(read_graph(path).sizes) == {"H": 9}
        else:
            with pytest.raises(ArchspecError, match="leaves open H"):
                read_graph(path)


def test_the_graph_keeps_to_the_sizes_at_which_it_was_read(open_sizes: Path) -> None:
    graph = read_graph(open_sizes, sizes={"height": 9, "x.3": 12})
    with pytest.raises(ValueError, match="read it again for 4×10×12"):
        graph.infer({"height": 10})


def test_axes_of_one_name_may_have_sizes_of_their_own(tmp_path: Path) -> None:
    """Some converters call every open extent `?`; others mean one by a name that they give twice."""
    for named in ("?", "side"):
        path = save(
            build_nodes([node("Conv", "x w")], ("n", 4, named, named), {"w": floats(6, 4, 3, 3)}), tmp_path / "m.onnx"
        )
        graph = read_graph(path, sizes={"x.2": 9, "x.3": 12})
        assert graph[graph.outputs["y"]].shape == (6, 7, 10)
    assert read_graph(path, sizes={"side": 8})["x"].shape == (4, 8, 8)
    assert read_graph(path, sizes={"side": 8, "x.3": 12})["x"].shape == (4, 8, 12)
    with pytest.raises(ArchspecError, match=r"has no size 'x\.4'"):
        read_graph(path, sizes={"x.4": 8})
