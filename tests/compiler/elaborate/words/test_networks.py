"""Networks of other specs as blocks: their nodes and weights below the call's name, what is left out, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archspec.errors import SpecError
from archspec.spec.load import load
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from tests.archspec.spec.texts import graph_of, mistakes_in, places, unmarked, write
from tests.support.listing import listing

INNER = """\
archspec: 1
params: {width: 4, depths: [1, 2]}
let: {wide: 2 * width}
inputs: {x: [3, H, W], y: [2, H, W]}
sizes: {H: 8, W: 8}
defaults: {conv: {bias: false}}
blocks: {unit: {args: {w: int}, body: [residual: {body: [conv: w], project: [conv: {out: w, kernel: 1}]}]}}
network:
  - concat: [[], [from: y]]
  - conv: {out: wide, name: stem}
  - repeat: {each: {n: depths}, body: [repeat: {n: n, body: [unit: {w: width}]}, output: "o{i}"]}
  - global_avg_pool
  - flatten
  - linear: 10
"""
OUTER = """\
archspec: 1
params: {k: 3}
inputs: {a: [3, E, F], b: [2, E, F]}
sizes: {E: 16, F: 12}
defaults: {conv: {kernel: 1}}
blocks:
  enc:
    args: {double: bool = false}
    network: inner
    params: {width: 2 * k if double else k, depths: [1, 1]}
    gives: {low: stem, high: "repeat_0.i{len(depths) - 1}"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, INNER, "inner.yaml")
    return tmp_path


def graph_in(folder: Path, network: str, head: str = OUTER) -> Graph:
    return elaborate(load(write(folder, f"{head}network: {network}\n")))


def test_nodes_have_the_specs_names_below_that_of_the_call(folder: Path) -> None:
    graph = graph_in(folder, "[enc: {name: e, y: b}, conv: 5, add: [[], [from: e.low, conv: 5]]]")
    assert listing(graph) == [
        "e.concat_0.concat = concat(a, b) 5×16×12",
        "e.stem = conv(e.concat_0.concat) 6×16×12",
        "e.repeat_0.i0.repeat_0.i0.unit_0.residual_0.body.conv_0 = conv(e.stem) 3×16×12",
        "e.repeat_0.i0.repeat_0.i0.unit_0.residual_0.project.conv_0 = conv(e.stem) 3×16×12",
        "e.repeat_0.i0.repeat_0.i0.unit_0.residual_0.add = "
        "add(e.repeat_0.i0.repeat_0.i0.unit_0.residual_0.project.conv_0, "
        "e.repeat_0.i0.repeat_0.i0.unit_0.residual_0.body.conv_0) 3×16×12",
        "e.repeat_0.i1.repeat_0.i0.unit_0.residual_0.body.conv_0 = "
        "conv(e.repeat_0.i0.repeat_0.i0.unit_0.residual_0.add) 3×16×12",
        "e.repeat_0.i1.repeat_0.i0.unit_0.residual_0.add = add(e.repeat_0.i0.repeat_0.i0.unit_0.residual_0.add, "
        "e.repeat_0.i1.repeat_0.i0.unit_0.residual_0.body.conv_0) 3×16×12",
        "conv_0 = conv(e.repeat_0.i1.repeat_0.i0.unit_0.residual_0.add) 5×16×12",
        "add_0.branch1.conv_0 = conv(e.stem) 5×16×12",
        "add_0.add = add(conv_0, add_0.branch1.conv_0) 5×16×12",
    ]
    assert (
        graph["e.repeat_0.i1.repeat_0.i0.unit_0.residual_0.add"].body == "e.repeat_0.i1.repeat_0.i0.unit_0.residual_0"
    )
    assert [call.text for call in graph["e.stem"].source.calls] == ["enc(double=false, y=b)"]


def test_weights_are_those_of_the_spec(folder: Path) -> None:
    graph = graph_in(folder, "[enc: {name: e, y: b, double: true}]")
    alone = elaborate(load(folder / "inner.yaml", params={"width": 6, "depths": [1, 1]}))
    own = {name: weight.shape for name, weight in alone.weights.items()}
    assert {name[2:]: weight.shape for name, weight in graph.weights.items()} == {
        name: shape for name, shape in own.items() if not name.startswith("linear")
    }


def test_without_gives_it_is_the_whole_network(folder: Path) -> None:
    head = OUTER.partition("    params:")[0]
    graph = graph_in(folder, "[enc: {y: b}, output: o]", head)
    alone = elaborate(load(folder / "inner.yaml"))
    assert graph.outputs["o"] == f"enc_0.{alone.outputs['o0']}"
    assert {name for name in graph.nodes if name.startswith("enc_0.repeat_0.i1")} == set()


def test_sizes_stay_dynamic_and_defaults_and_residuals_are_the_specs_own(folder: Path) -> None:
    graph = graph_in(folder, "[enc: {name: e, y: b}, conv: 2]")
    for sizes in ({"E": 20, "F": 9}, {"E": 3, "F": 3}):
        spec = load(folder / "spec.yaml")
        assert graph.resize(sizes).digest() == elaborate(spec, sizes).digest()
    assert graph["e.stem"].op.model_dump()["kernel"] == 3
    assert not any(name.startswith("e.") and name.endswith("bias") for name in graph.weights)


def test_a_spec_of_the_zoo_is_cut_at_a_node() -> None:
    text = "archspec: 1\ninputs: {image: [3, H, W]}\nsizes: {H: 64, W: 64}\n"
    text += "blocks: {enc: {network: resnet18, gives: [relu_0]}}\nnetwork: [enc: {name: e}, from: e.relu_0, conv: 2]\n"
    assert list(graph_of(text).nodes) == ["image", "e.conv_0", "e.norm_0", "e.relu_0", "conv_0"]


def test_the_document_that_is_written_stands_alone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    graph = graph_in(folder, "[enc: {name: e, y: b}]")
    data = load(folder / "spec.yaml").to_data()
    elsewhere = write(tmp_path_factory.mktemp("elsewhere"), json.dumps(data))
    assert elaborate(load(elsewhere)).digest() == graph.digest()


def test_a_library_may_hold_networks(folder: Path) -> None:
    write(folder, "archspec: 1\nblocks: {enc: {network: inner, gives: [stem]}}\n", "library.yaml")
    text = "archspec: 1\nimport: [library]\ninputs: {a: [3, 8], b: [2, 8]}\nnetwork: [enc: {y: b}]\n"
    head = "archspec: 1\nimport: [library]\ninputs: {a: [3, 8, 8], b: [2, 8, 8]}\n"
    assert [*graph_in(folder, "[enc: {y: b}]", head).nodes][-1] == "enc_0.stem"
    (mistake,) = mistakes_in(write(folder, text))
    assert mistake.message == "the network inner takes 3×H×W as its input 'x', found 3×8"


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("network: inner", "network: ▸iner", "unknown-import", "there is no 'iner'"),
        ("network: inner", "network: ▸library", "bad-block", "library is a block library, which has no network"),
        ("network: inner", "network: ▸spec", "import-cycle", "files include each other: spec → spec"),
        ("network: inner", "network: ▸[inner]", "wrong-type", "should be the name of a spec"),
        ("▸    network: inner\n", "", "missing-field", ""),
        ("    network: inner\n", "    network: inner\n    body: []\n", "bad-block", "no `body` or `defaults` beside"),
        ("params: {width:", "params: {▸widht:", "unknown-param", "no `widht` in the params of inner; did you mean"),
        ("depths: [1, 1]", "depths: ▸3", "bad-param", "`depths` should be a list, found a number"),
        ("depths: [1, 1]", "depths: ▸'[k, z]'", "unknown-name", "unknown name 'z'"),
        ("low: stem", "low: ▸stemm", "unknown-value", "inner has no node 'stemm'; did you mean 'stem'?"),
        ("low: stem", "low: ▸o0", "unknown-value", "; its output of this name is 'repeat_0.i0.repeat_0.i0.unit_0"),
        ("low: stem", "low: ▸qqqqqqqq", "unknown-value", "`archspec show` lists all"),
        ("low: stem", "low: ▸'s{z}'", "unknown-name", "unknown name 'z'"),
        ("inputs: {a: [3,", "inputs: {a: [4,", "shape-mismatch", "takes 3×H×W as its input 'x', found 4×16×12"),
        ("b: [2, E, F]", "b: [2, F, E]", "shape-mismatch", "takes 2×H×W as its input 'y', found 2×12×16"),
        ("enc: {y: b}", "▸enc", "missing-argument", "enc needs `y`"),
        ("enc: {y: b}", "enc: {y: ▸c}", "unknown-tap", "unknown tap 'c'"),
        ("enc: {y: b}", "enc: {y: b, ▸z: b}", "unknown-argument", "unknown argument 'z' of enc"),
    ],
)  # fmt: skip
def test_mistakes_in_a_network_as_a_block(folder: Path, old: str, new: str, code: str, message: str) -> None:
    write(folder, "archspec: 1\nblocks: {other: {body: [relu]}}\n", "library.yaml")
    text = (OUTER + "network: [enc: {y: b}]\n").replace(old.replace("▸", ""), new)
    text, marks = unmarked(text)
    mistakes = mistakes_in(write(folder, text))
    assert mistakes[0].code == code, mistakes
    assert message in mistakes[0].message
    assert not marks or places(mistakes[:1]) == marks


def test_what_is_wrong_inside_is_told_there_with_the_call(folder: Path) -> None:
    write(
        folder,
        INNER.replace("linear: 10", "linear: {out: 10}").replace("conv: w]", "conv: {out: w, groups: 5}]"),
        "inner.yaml",
    )
    (mistake,) = mistakes_in(write(folder, OUTER + "network: [enc: {y: b}]\n"))
    assert (mistake.code, Path(mistake.place.file).name, mistake.place.line) == ("shape-mismatch", "inner.yaml", 7)
    assert [call.text for call in mistake.calls] == ["unit(w=3)", "enc(double=false, y=b)"]


def test_the_nodes_of_a_network_count_for_the_bound(folder: Path) -> None:
    path = write(folder, OUTER + "network: [repeat: {n: 40, body: [from: a, enc: {name: e, y: b}]}]\n")
    assert len(elaborate(load(path))) > 200
    with pytest.raises(SpecError) as caught:
        elaborate(load(path), max_nodes=300)
    assert {mistake.code for mistake in caught.value.diagnostics} == {"too-many-nodes"}


def test_networks_of_networks_and_circles_of_them(folder: Path) -> None:
    write(folder, INNER.replace("blocks: {", "blocks: {n: {network: deep}, "), "middle.yaml")
    write(folder, INNER, "deep.yaml")
    assert len(graph_in(folder, "[enc: {y: b}]", OUTER.replace("network: inner", "network: middle"))) > 4
    write(folder, INNER.replace("blocks: {", "blocks: {n: {network: middle}, "), "deep.yaml")
    mistakes = mistakes_in(
        write(folder, OUTER.replace("network: inner", "network: middle") + "network: [enc: {y: b}]\n")
    )
    assert mistakes[-1].message == "files include each other: middle → deep → middle"


def test_calls_of_a_network_share_their_weights(folder: Path) -> None:
    """Two towers (Bromley et al., 1993): one set of weights, with the spec's names below the label."""
    network = "[enc: {y: b, share: tower}, tap: t, from: a, enc: {y: b, share: tower}, sub: [[], [from: t]]]"
    graph = graph_in(folder, network.replace("sub: ", "add: "))
    alone = graph_in(folder, "[enc: {y: b, name: tower}]")
    assert graph.weights.keys() == alone.weights.keys()
    assert graph["enc_0.stem"].home == graph["enc_1.stem"].home == "tower.stem"


def test_weights_that_a_network_shares_inside_are_shared_below_its_name(folder: Path) -> None:
    inner = INNER.replace("unit: {w: width}", "unit: {w: width, share: unit}").replace("2 * width", "width")
    write(folder, inner, "inner.yaml")
    graph = graph_in(folder, "[enc: {y: b, name: e}]")
    assert [name for name in graph.weights if "unit" in name] == ["e.unit.residual_0.body.conv_0.weight"]


def test_levels_are_counted_through_the_networks(folder: Path) -> None:
    """Files that each nest a little nest much together: a bound says so, and no traceback."""
    written = "[residual: {body: [residual: {body: [residual: {body: [residual: {body: [relu]}]}]}]}]"
    write(folder, f"archspec: 1\ninputs: {{x: [4, 8, 8]}}\nnetwork: {written}\n", "n0.yaml")
    for i in range(1, 60):
        block = f"blocks: {{b: {{network: n{i - 1}}}}}\nnetwork: {written.replace('relu', 'b')}\n"
        write(folder, f"archspec: 1\ninputs: {{x: [4, 8, 8]}}\n{block}", f"n{i}.yaml")
    assert len(elaborate(load(folder / "n9.yaml"))) == 42
    for count in (30, 59):
        assert [mistake.code for mistake in mistakes_in(folder / f"n{count}.yaml")] == ["too-deep"]


def test_an_extent_of_a_network_that_has_no_value_is_told_there(folder: Path) -> None:
    write(folder, INNER.replace("x: [3, H, W]", "x: [3 // z, H, W]"), "inner.yaml")
    (mistake,) = mistakes_in(write(folder, OUTER + "network: [enc: {y: b}]\n"))
    assert (mistake.code, Path(mistake.place.file).name, mistake.place.line) == ("unknown-name", "inner.yaml", 4)


def test_names_stay_within_their_bound_through_the_networks(folder: Path) -> None:
    long = "n" * 60
    write(folder, "archspec: 1\ninputs: {x: [4, 8, 8]}\nnetwork: [relu]\n", "n0.yaml")
    for i in range(1, 20):
        body = f"blocks: {{b: {{network: n{i - 1}}}}}\nnetwork: [b: {{name: {long}}}]\n"
        write(folder, f"archspec: 1\ninputs: {{x: [4, 8, 8]}}\n{body}", f"n{i}.yaml")
    assert max(map(len, elaborate(load(folder / "n16.yaml")).nodes)) == 16 * 61 + 6
    assert [mistake.code for mistake in mistakes_in(folder / "n19.yaml")] == ["too-deep"]
