"""The zoo as a whole: how its files are written, what may be set, and which sizes its networks accept."""

from collections.abc import Callable, Mapping
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from archspec.errors import SpecError
from archspec.ops import OpError
from archspec.spec.load import load, parse_value
from archspec.spec.text import read_file
from archspec.spec.zoo import ZOO, zoo_specs
from compiler.elaborate import elaborate
from compiler.graph import Graph
from compiler.sizes import accepted_sizes

FILES = sorted(ZOO.rglob("*.yaml"))
LIBRARIES = [path for path in FILES if path.parent == ZOO / "blocks"]
SPECS = [path for path in FILES if path not in LIBRARIES]

ACCEPTED = {
    "densenet121": "any from 29",
    "hourglass2": "64 + 64·k",
    "residual_mlp": None,
    "resnet101": "any from 1",
    "resnet110": "any from 1",
    "resnet152": "any from 1",
    "resnet18": "any from 1",
    "resnet20": "any from 1",
    "resnet34": "any from 1",
    "resnet50": "any from 1",
    "resnet_digits": "any from 1",
    "se_net": "any from 1",
    "unet": "188 + 16·k",
    "vgg16": "224 alone",
}
"""The sizes that fit each spec's weights, along both axes; None where nothing is dynamic."""

ALSO_FIT: dict[str, Callable[[int], bool]] = {
    "hourglass2": lambda size: size > 2 and size % 64 in (63, 1, 2),
    "vgg16": lambda size: 224 < size < 256,
}
"""Sizes beyond the rule that fit too, since a stride drops pixels that nothing misses."""

SETTINGS: list[tuple[str, str, str, Mapping[str, tuple[int, ...]]]] = [
    ("resnet18", "classes", "10", {"output": (10,)}),
    ("resnet34", "classes", "10", {"output": (10,)}),
    ("resnet50", "classes", "10", {"output": (10,)}),
    ("resnet101", "classes", "10", {"output": (10,)}),
    ("resnet152", "classes", "10", {"output": (10,)}),
    ("densenet121", "classes", "10", {"output": (10,)}),
    ("vgg16", "classes", "10", {"output": (10,)}),
    ("resnet20", "classes", "100", {"output": (100,)}),
    ("resnet110", "classes", "100", {"output": (100,)}),
    ("resnet_digits", "classes", "26", {"output": (26,)}),
    ("se_net", "classes", "100", {"output": (100,)}),
    ("unet", "classes", "1", {"output": (1, 388, 388)}),
    ("resnet18", "depths", "[1, 1, 1, 1]", {"output": (1000,)}),
    ("resnet50", "depths", "[3, 24, 36, 3]", {"output": (1000,)}),
    ("resnet101", "depths", "[1, 1, 1, 1]", {"output": (1000,)}),
    ("resnet20", "blocks", "1", {"output": (10,)}),
    ("resnet110", "blocks", "200", {"output": (10,)}),
    ("resnet_digits", "depths", "[1, 1, 1]", {"output": (10,)}),
    ("resnet_digits", "depths", "[5, 5, 5]", {"output": (10,)}),
    ("resnet_digits", "widths", "[8, 16, 32]", {"output": (10,)}),
    ("densenet121", "growth", "12", {"output": (1000,)}),
    ("densenet121", "depths", "[16, 16, 16]", {"output": (1000,)}),
    ("unet", "widths", "[8, 16, 32, 64]", {"output": (2, 388, 388)}),
    ("unet", "widths", "[16, 32]", {"output": (2, 532, 532)}),
    ("hourglass2", "stacks", "1", {"heatmap0": (16, 64, 64)}),
    ("hourglass2", "stacks", "8", {f"heatmap{i}": (16, 64, 64) for i in range(8)}),
    ("hourglass2", "features", "128", {f"heatmap{i}": (16, 64, 64) for i in range(2)}),
    ("hourglass2", "joints", "14", {f"heatmap{i}": (14, 64, 64) for i in range(2)}),
    ("residual_mlp", "blocks", "54", {"output": (1,)}),
    ("residual_mlp", "width", "20", {"output": (1,)}),
    ("vgg16", "convs", "[1, 1, 1, 1, 1]", {"output": (1000,)}),
]


@cache
def at_home(name: str) -> Graph:
    return elaborate(load(name))


def output_shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    return {name: tuple(graph[id].shape) for name, id in graph.outputs.items()}


def has_the_same_weights(graph: Graph, sizes: Mapping[str, int]) -> bool:
    try:
        return graph.resize(sizes).weights == graph.weights
    except OpError:
        return False


def relative(path: Path) -> str:
    return path.relative_to(ZOO).as_posix()


def read(path: Path) -> Any:
    return read_file(path, path.name).data


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_file_begins_with_its_schema_and_what_it_follows(path: Path) -> None:
    first, second, *_ = lines = path.read_text(encoding="utf-8").splitlines()
    key, _, schema = first.partition("=")
    assert key == "# yaml-language-server: $schema"
    assert (path.parent / schema).resolve() == ZOO.parent / "archspec" / "schema.json"
    assert second.startswith("# ")
    assert max(map(len, lines)) <= 120


def test_names_are_unique_and_those_of_the_files() -> None:
    assert len(zoo_specs()) == len(SPECS)
    assert [read(path)["name"] for path in SPECS] == [path.stem for path in SPECS]


def test_only_a_library_has_no_network() -> None:
    assert [path for path in FILES if not {"network", "extends"} & read(path).keys()] == LIBRARIES


def test_libraries_can_be_imported_together(tmp_path: Path) -> None:
    blocks = {path: set(read(path)["blocks"]) for path in LIBRARIES}
    for one, other in combinations(blocks, 2):
        assert not blocks[one] & blocks[other], (one, other)
    imports = "".join(f"  - blocks/{path.stem}\n" for path in LIBRARIES)
    file = tmp_path / "all.yaml"
    file.write_text(f"archspec: 1\ninputs: {{x: [1]}}\nimport:\n{imports}network: [relu]\n", encoding="utf-8")
    assert set(load(file).blocks) == set().union(*blocks.values())


def test_every_shared_block_is_used() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in SPECS)
    assert [name for path in LIBRARIES for name in read(path)["blocks"] if f"- {name}: " not in text] == []


@pytest.mark.parametrize(("name", "param", "text", "outputs"), SETTINGS)
def test_param_can_be_set(name: str, param: str, text: str, outputs: Mapping[str, tuple[int, ...]]) -> None:
    graph = elaborate(load(name, {param: parse_value(text, f"--set {param}")}))
    assert output_shapes(graph) == outputs
    assert graph.weights != at_home(name).weights


def test_every_param_is_set_in_some_test() -> None:
    given = {(name, param) for name, param, _, _ in SETTINGS}
    written = {(path.stem, param) for path in SPECS if "extends" not in read(path) for param in read(path)["params"]}
    assert written <= given


def test_number_of_stages_can_be_set() -> None:
    graph = elaborate(load("resnet_digits", {"depths": [2, 2], "widths": [8, 32]}))
    assert output_shapes(graph) == {"output": (10,)}


@pytest.mark.parametrize(
    ("variant", "base", "params"),
    [
        ("resnet34", "resnet18", {"depths": [3, 4, 6, 3]}),
        ("resnet101", "resnet50", {"depths": [3, 4, 23, 3]}),
        ("resnet152", "resnet50", {"depths": [3, 8, 36, 3]}),
        ("resnet110", "resnet20", {"blocks": 18}),
    ],
)
def test_variant_is_its_base_with_other_params(variant: str, base: str, params: Mapping[str, Any]) -> None:
    assert at_home(variant).digest() == elaborate(load(base, params)).digest()


def test_accepted_sizes_are_listed_for_every_spec() -> None:
    assert set(ACCEPTED) == set(zoo_specs())


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_sizes(name: str) -> None:
    expected = dict.fromkeys("HW", ACCEPTED[name]) if ACCEPTED[name] else {}
    assert {axis: str(rule) for axis, rule in accepted_sizes(at_home(name)).items()} == expected


@pytest.mark.parametrize("name", [name for name, sizes in ACCEPTED.items() if sizes])
@pytest.mark.parametrize("axis", ["H", "W"])
def test_accepted_sizes_are_those_that_fit(name: str, axis: str) -> None:
    graph = at_home(name)
    home, rule, also = graph.sizes[axis], accepted_sizes(graph)[axis], ALSO_FIT.get(name, lambda size: False)
    window = {*range(1, 200), *range(max(1, home - 40), home + 41)}
    fitting = {size for size in window if has_the_same_weights(graph, {axis: size})}
    assert fitting == {size for size in window if size in rule or also(size)}


@pytest.mark.parametrize("name", [name for name, sizes in ACCEPTED.items() if sizes])
def test_both_axes_at_once(name: str) -> None:
    graph = at_home(name)
    rules = accepted_sizes(graph)
    for distances in [(0, 70), (70, 0), (70, 140), (-40, 300)]:
        sizes = {axis: rules[axis].nearest(graph.sizes[axis] + d) for axis, d in zip("HW", distances, strict=True)}
        assert has_the_same_weights(graph, sizes), sizes


@pytest.mark.parametrize("name", [name for name, sizes in ACCEPTED.items() if sizes not in (None, "224 alone")])
def test_elaborating_anew_gives_the_graph_at_another_size(name: str) -> None:
    graph = at_home(name)
    rules = accepted_sizes(graph)
    smallest = {axis: rule.first for axis, rule in rules.items()}
    larger = {"H": rules["H"].nearest(graph.sizes["H"] + 70), "W": rules["W"].nearest(graph.sizes["W"] + 140)}
    for sizes in (smallest, larger):
        anew = elaborate(load(name), sizes)
        assert anew.digest() == graph.resize(sizes).digest()
        assert anew.weights == graph.weights


def test_vgg16_at_another_size_is_another_network() -> None:
    graph = elaborate(load("vgg16"), {"H": 64, "W": 64})
    changed = [name for name, weight in graph.weights.items() if weight.shape != at_home("vgg16").weights[name].shape]
    assert changed == ["repeat_1.i0.linear_0.weight"]


@pytest.mark.parametrize(
    ("name", "size", "hint"), [("unet", 570, "188 + 16·k; nearest: 572"), ("densenet121", 28, "29")]
)
def test_size_that_does_not_fit_names_one_that_does(name: str, size: int, hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        elaborate(load(name), {"H": size, "W": size})
    assert hint in str(caught.value)
