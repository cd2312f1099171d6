"""What a box stands for, what leads from box to box, and where boxes lie: against the graph itself."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise
from xml.etree import ElementTree

import networkx as nx
import pytest

from archspec.api import analyze, elaborate, load
from archspec.errors import ArchspecError, Place
from archspec.ops import Add, Input, Relu, Shape
from archspec.spec.zoo import zoo_specs
from compiler.draw.blocks import Block, fold_blocks
from compiler.draw.grid import MAX_BOXES
from compiler.draw.picture import Picture, draw_graph
from compiler.draw.svg import write_svg
from compiler.graph import Graph, Node, Source

SVG = "{http://www.w3.org/2000/svg}"
NETS = ("residual_mlp", "se_net", "resnet50", "densenet121", "unet", "unet_plus_plus", "hourglass2", "highway", "vgg16")
UNFOLDED = ("se_net", "resnext29_16x64d", "resnet_digits")
EVERYTHING = 50


def picture_of(name: str, depth: int = EVERYTHING) -> Picture:
    return draw_graph(elaborate(load(name)), depth=depth)


def leaves(block: Block) -> list[Block]:
    return [child for _, child in block.walk() if not child.children]


def titles(block: Block) -> dict[str, int]:
    """The folded blocks, and how many neighbours each stands for."""
    return {f"{child.id}{child.title}": child.times for _, child in block.walk() if child.times > 1 and child.children}


@pytest.mark.parametrize("name", NETS)
def test_every_node_is_in_one_box(name: str) -> None:
    picture = picture_of(name)
    counted = Counter(id for box in leaves(picture.whole) for id in box.nodes)
    assert counted == Counter(dict.fromkeys(picture.graph.nodes, 1))


@pytest.mark.parametrize("name", NETS)
def test_figures_of_boxes_add_up(name: str) -> None:
    picture = picture_of(name)
    cost = analyze(picture.graph, by_length=False).cost
    for boxes in (leaves(picture.whole), picture.whole.children, [picture.whole]):
        assert sum(picture.figures(box).macs for box in boxes) == cost.macs["conv-linear"]
        assert sum(picture.figures(box).parameters for box in boxes) == cost.parameters + cost.frozen


@pytest.mark.parametrize(
    ("name", "times"),
    [
        (
            "resnet50",
            [2, 3, 5, 2],
        ),  # He et al., 2016, table 1: 3, 4, 6 and 3 blocks, the first of each unlike the others
        ("resnet152", [2, 7, 35, 2]),
        ("densenet121", [6, 12, 24, 16]),  # Huang et al., 2017, table 1
        ("densenet201", [6, 12, 48, 32]),
        ("preresnet1001", [110, 110, 110]),  # 1001 = 9 · 111 + 2
        ("residual_mlp", [4]),
        ("highway", [49]),
    ],
)
def test_equal_neighbours_are_one_box(name: str, times: list[int]) -> None:
    assert list(titles(fold_blocks(elaborate(load(name)))).values()) == times


def test_what_is_read_from_the_middle_is_not_folded() -> None:
    """The two units of an hourglass's level are equal and follow each other, but the first has a second reader."""
    whole = fold_blocks(elaborate(load("hourglass1")))
    folded = [child for _, child in whole.walk() if child.times > 1]
    assert [child.times for child in folded] == [3]


def test_ways_side_by_side_are_folded() -> None:
    """ResNeXt's form a: 32 equal ways."""
    whole = fold_blocks(elaborate(load("resnext50_form_a")))
    assert {child.times for _, child in whole.walk() if child.times >= 32} == {32}


def test_norm_and_activation_share_the_box_of_their_convolution() -> None:
    lines = [box.lines for box in leaves(fold_blocks(elaborate(load("resnet50"))))]
    assert ("conv 7×7, 64, /2", "batch_norm", "relu") in lines
    lines = [box.lines for box in leaves(fold_blocks(elaborate(load("preresnet110"))))]
    assert ("batch_norm", "relu", "conv 3×3, 16") in lines


def test_numbers_that_change_from_turn_to_turn_are_told() -> None:
    lines = {line for box in leaves(fold_blocks(elaborate(load("resnet110_stochastic_depth")))) for line in box.lines}
    assert "stochastic_depth 0.9815 … 0.8333" in lines


def owner_of(picture: Picture) -> dict[str, str]:
    """For each node the box that is seen of it."""
    owner = {}
    for block in picture.visible():
        if not picture.is_open(block):
            owner |= dict.fromkeys(block.nodes, block.id)
    return owner


@pytest.mark.parametrize("depth", [0, 1, EVERYTHING])
@pytest.mark.parametrize("name", UNFOLDED)
def test_wires_are_the_graph_s_edges(name: str, depth: int) -> None:
    """Where little is folded: networkx's own edges between nodes of different boxes, and no others."""
    picture = picture_of(name, depth)
    folded = {id for block in picture.visible() if block.times > 1 for id in block.nodes}
    owner = owner_of(picture)
    edges = {
        (owner[u], owner[v])
        for u, v in nx.DiGraph(picture.graph.digraph).edges
        if owner[u] != owner[v] and not ({u, v} <= folded)
    }
    wires = {(wire.source, wire.target) for wire in picture.links()}
    assert edges <= wires
    assert {wire for wire in wires if not wire[1].startswith("output:")} >= edges
    reached = nx.transitive_closure(nx.DiGraph([(owner[u], owner[v]) for u, v in picture.graph.digraph.edges()]))
    assert all(reached.has_edge(u, v) for u, v in wires if not v.startswith("output:"))


@pytest.mark.parametrize("name", NETS)
def test_the_way_leads_down(name: str) -> None:
    picture = picture_of(name)
    for block_id, grid in picture.grids.items():
        assert len({(grid.rows[id], grid.columns[id]) for id in grid.rows}) == len(grid.rows), block_id
        for run in grid.runs:
            assert grid.rows.get(run.wire.source, -1) < grid.rows.get(run.wire.target, grid.height)


# -- the drawing: nothing overlaps -----------------------------------------------------------------------------------

Rect = tuple[float, float, float, float]


def rects_in(root: ElementTree.Element, kinds: set[str]) -> list[Rect]:
    rects = []
    for rect in root.iter(f"{SVG}rect"):
        if kinds & set(rect.attrib["class"].split()) and float(rect.attrib["y"]) > 60:
            x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
            rects.append((x, y, x + width, y + height))
    return rects


def points_of(path: str) -> list[tuple[float, float]]:
    words = path.replace("M", " ").replace("L", " ").replace("Q", " ").split()
    return [(float(x), float(y)) for x, y in (word.split(",") for word in words)]


def crosses(rect: Rect, one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether an upright or level line has a point well inside a box."""
    left, top, right, bottom = rect[0] + 2, rect[1] + 2, rect[2] - 2, rect[3] - 2
    xs, ys = sorted((one[0], other[0])), sorted((one[1], other[1]))
    return xs[0] < right and left < xs[1] + 0.01 and ys[0] < bottom and top < ys[1] + 0.01


def overlap(one: Rect, other: Rect) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("depth", [1, 2, EVERYTHING])
@pytest.mark.parametrize("name", NETS)
def test_no_line_runs_through_a_box(name: str, depth: int) -> None:
    root = ElementTree.fromstring(write_svg(picture_of(name, depth)))
    boxes, scopes = rects_in(root, {"box"}), rects_in(root, {"scope"})
    assert [pair for pair in combinations(boxes, 2) if overlap(*pair)] == []
    for i, scope in enumerate(scopes):
        for other in (*boxes, *scopes[i + 1 :]):
            inside = scope[0] <= other[0] and other[2] <= scope[2] and scope[1] <= other[1] and other[3] <= scope[3]
            around = other[0] <= scope[0] and scope[2] <= other[2] and other[1] <= scope[1] and scope[3] <= other[3]
            assert inside or around or not overlap(scope, other)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for path in root.iter(f"{SVG}path"):
        if "line" not in path.attrib["class"].split():
            continue
        points = points_of(path.attrib["d"])
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
        for one, other in pairwise(points):
            assert not [rect for rect in boxes if crosses(rect, one, other)], path.attrib["d"]


def test_a_line_through_a_box_is_seen() -> None:
    """The control of the test above."""
    assert crosses((0, 0, 50, 50), (25, -10), (25, 80))
    assert not crosses((0, 0, 50, 50), (60, -10), (60, 80))
    assert overlap((0, 0, 10, 10), (9, 9, 20, 20))


# -- what is open, and how much there may be -------------------------------------------------------------------------


def test_depth_and_patterns_open_blocks() -> None:
    graph = elaborate(load("resnet50"))
    closed = draw_graph(graph, depth=0)
    assert [block.title for block in closed.visible() if block.children] == ["repeat_0"]
    opened = draw_graph(graph, depth=0, patterns=["*.i2.bottleneck_0"])
    assert [block.id for block in opened.visible() if opened.is_open(block)] == [
        "repeat_0.",
        "repeat_0.i2.",
        "repeat_0.i2.bottleneck_0.",
    ]
    with pytest.raises(ArchspecError, match="no block of resnet50 fits 'nothing'; names are such as 'repeat_0'"):
        draw_graph(graph, patterns=["nothing"])


def chain(count: int, *, skips: bool = False) -> Graph:
    """A graph without scopes, of other operations by turns, so that nothing is folded."""
    source = Source(Place("somewhere"))
    nodes = [Node("x", Input(dims=(4,)), (), Shape(4), source)]
    for i in range(count):
        op, inputs = (Add(), (nodes[-1].id, nodes[i // 2].id)) if skips or i % 2 else (Relu(), (nodes[-1].id,))
        nodes.append(Node(f"n{i}", op, inputs, Shape(4), source))
    return Graph("chain", {node.id: node for node in nodes}, {"output": nodes[-1].id})


def test_a_large_graph_without_blocks_is_drawn() -> None:
    assert write_svg(draw_graph(chain(600, skips=True))).count("<circle") == 600


def test_a_graph_that_is_too_large_is_refused() -> None:
    with pytest.raises(ArchspecError, match=r"chain would have 4,\d+ boxes .* more than 3,000"):
        write_svg(draw_graph(chain(2 * MAX_BOXES - 1500)))


def test_names_with_thousands_of_points_are_no_deep_tree() -> None:
    source = Source(Place("somewhere"))
    nodes = [Node("x", Input(dims=(4,)), (), Shape(4), source)]
    nodes += [Node("a." * 5000 + str(i), Relu(), (nodes[-1].id,), Shape(4), source) for i in range(1)]
    nodes += [Node(name, Relu(), (nodes[-1].id,), Shape(4), source) for name in ("..", "b", "b.c")]
    graph = Graph("deep", {node.id: node for node in nodes}, {"output": "b"})
    assert "relu" in write_svg(draw_graph(graph))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_the_whole_zoo_is_drawn(name: str) -> None:
    test_every_node_is_in_one_box(name)
    test_the_way_leads_down(name)
    test_no_line_runs_through_a_box(name, EVERYTHING)
