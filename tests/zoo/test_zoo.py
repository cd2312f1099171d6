"""The zoo as a whole: how its files are written, what may be set, and which sizes its networks accept."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from archspec.errors import SpecError
from archspec.ops import OpError
from archspec.spec.load import load
from archspec.spec.params import parse_value
from archspec.spec.text import read_file
from archspec.spec.zoo import RECIPES, ZOO, zoo_specs
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from compiler.sizes.accepted_sizes import accepted_sizes
from tests.zoo.rows import NAMES, ROWS, at_home

FILES = sorted(
    path for path in ZOO.rglob("*.yaml") if not path.name.endswith(".weights.yaml") and path.parent != ZOO / RECIPES
)
LIBRARIES = [path for path in FILES if path.parent == ZOO / "blocks"]
SPECS = [path for path in FILES if path not in LIBRARIES]

ALSO_FIT: dict[str, Callable[[int], bool]] = {
    "dla": lambda size: size % 32 == 31,
    "hourglass": lambda size: size > 2 and size % 64 in (63, 1, 2),
    "generative": lambda size: size == 257,
    "deeplabv3_plus_resnet34": lambda size: size % 16 in (13, 14, 15),
    "fpn_resnet34": lambda size: size % 32 in (29, 30, 31),
    "linknet_resnet34": lambda size: size % 32 == 31,
    "unet_plus_plus_resnet34": lambda size: size % 32 == 31,
    **dict.fromkeys(
        ("swin_t", "swin_s", "swin_b", "swin_v2_t", "swin_v2_s", "swin_v2_b"),
        lambda size: size > 32 and size % 32 in (1, 2, 3),
    ),
    "yolo": lambda size: size % 32 > 24,
    "yolov5nu": lambda size: size > 1 and size % 32 in (1, *range(26, 32)),
    "mobilevit": lambda size: size % 64 > 56,
    "hrnet": lambda size: size > 188 and size % 32 in (29, 30, 31),
}
"""Sizes beyond the rule of a family, or of one spec, that fit too, since a stride drops pixels that nothing misses."""

SCHEMA = ZOO.parent / "archspec" / "schema.json"

SETTINGS = [(row.name, *setting) for row in ROWS.values() for setting in row.settings]


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


VARIANTS = {
    path.stem: (Path(read(path)["extends"]).stem, read(path).get("params", {}))
    for path in SPECS
    if "extends" in read(path) and not {"defaults", "sizes"} & read(path).keys()
}
"""Specs that differ from another in params alone: that one's name, and the params."""


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_file_fits_the_schema(path: Path, validator: Draft202012Validator) -> None:
    assert list(validator.iter_errors(read(path))) == []


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_file_begins_with_its_schema_and_what_it_follows(path: Path) -> None:
    first, second, *_ = lines = path.read_text(encoding="utf-8").splitlines()
    key, _, schema = first.partition("=")
    assert key == "# yaml-language-server: $schema"
    assert (path.parent / schema).resolve() == SCHEMA
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
    text = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
    names = [name for path in LIBRARIES for name in read(path)["blocks"]]
    assert [name for name in names if not re.search(rf"(- |\[|, |\{{){name}\b", text)] == []


def test_every_spec_says_whose_network_it_is() -> None:
    assert [name for name in zoo_specs() if not load(name).source or not load(name).description] == []


@pytest.mark.parametrize(("name", "param", "text", "outputs"), SETTINGS)
def test_param_can_be_set(name: str, param: str, text: str, outputs: Mapping[str, Sequence[int]]) -> None:
    graph = elaborate(load(name, {param: parse_value(text, f"--set {param}")}))
    assert output_shapes(graph) == {output: tuple(shape) for output, shape in outputs.items()}
    assert graph.digest() != at_home(name).digest()


def test_every_param_is_set_in_some_test() -> None:
    given = {(name, param) for name, param, _, _ in SETTINGS}
    bases = {path.stem: read(path).get("params", {}) for path in SPECS if "extends" not in read(path)}
    written = {(name, param) for name, params in bases.items() for param in params}
    assert written - given == set()


def test_number_of_stages_can_be_set() -> None:
    graph = elaborate(load("resnet_digits", {"depths": [2, 2], "widths": [8, 32]}))
    assert output_shapes(graph) == {"output": (10,)}


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_is_its_base_with_other_params(name: str) -> None:
    base, params = VARIANTS[name]
    assert at_home(name).digest() == elaborate(load(base, params)).digest()


@pytest.mark.parametrize("name", NAMES)
def test_accepted_sizes(name: str) -> None:
    assert {axis: str(rule) for axis, rule in accepted_sizes(at_home(name)).items()} == ROWS[name].rules


@pytest.mark.parametrize(("name", "axis"), [(name, axis) for name in NAMES for axis in ROWS[name].sizes])
def test_accepted_sizes_are_those_that_fit(name: str, axis: str) -> None:
    graph = at_home(name)
    also: Callable[[int], bool] = ALSO_FIT.get(name) or ALSO_FIT.get(zoo_specs()[name].parent.name, lambda size: False)
    home, rule = graph.sizes[axis], accepted_sizes(graph)[axis]
    reach = 200 if len(graph) < 1000 else 24
    window = {*range(1, reach), *range(max(1, home - reach // 5), home + reach // 5 + 1)}
    fitting = {size for size in window if has_the_same_weights(graph, {axis: size})}
    assert fitting == {size for size in window if size in rule or also(size)}


@pytest.mark.parametrize("name", [name for name in NAMES if ROWS[name].accepted])
def test_all_axes_at_once(name: str) -> None:
    graph = at_home(name)
    rules = accepted_sizes(graph)
    for distances in [(0, 70, 10), (70, 0, 20), (70, 140, -20), (-40, 300, 0)]:
        sizes = {axis: rules[axis].nearest(graph.sizes[axis] + d) for axis, d in zip(rules, distances, strict=False)}
        assert has_the_same_weights(graph, sizes), sizes


@pytest.mark.parametrize("name", [name for name in NAMES if ROWS[name].dynamic])
def test_elaborating_anew_gives_the_graph_at_another_size(name: str) -> None:
    graph = at_home(name)
    rules = accepted_sizes(graph)
    smallest = {axis: rule.first for axis, rule in rules.items()}
    larger = {axis: rule.nearest(rule.value + 70 * turn) for turn, (axis, rule) in enumerate(rules.items(), start=1)}
    for sizes in (smallest, larger):
        anew = elaborate(load(name), sizes)
        assert anew.digest() == graph.resize(sizes).digest()
        assert anew.weights == graph.weights


def test_vgg16_at_another_size_is_another_network() -> None:
    graph, home = elaborate(load("vgg16"), {"H": 64, "W": 64}), at_home("vgg16")
    changed = [name for name, weight in graph.weights.items() if weight.shape != home.weights[name].shape]
    assert changed == ["repeat_1.i0.linear_0.weight"]


@pytest.mark.parametrize(
    ("name", "size", "hint"), [("unet", 570, "188 + 16·k; nearest: 572"), ("densenet121", 28, "29")]
)
def test_size_that_does_not_fit_names_one_that_does(name: str, size: int, hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        elaborate(load(name), {"H": size, "W": size})
    assert hint in str(caught.value)
