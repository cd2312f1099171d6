"""Labels of shared weights: what shares, how it is named, and what has to agree."""

from __future__ import annotations

import pytest

from compiler.graph import Graph
from tests.archspec.spec.texts import HEAD, codes, graph_of, mistakes_of, places, unmarked

BLOCKS = HEAD + "blocks:\n  unit: {args: {out: int, stride: int = 1}, body: [conv: {out: out, stride: stride}, relu]}\n"


def list_homes(graph: Graph) -> dict[str, str]:
    return {node.id: node.home for node in graph if graph.weights_of(node)}


def test_calls_with_one_label_have_one_set_of_weights_named_after_it() -> None:
    graph = graph_of(BLOCKS + "network: [unit: {out: 4, share: u}, repeat: {n: 2, body: [unit: {out: 4, share: u}]}]\n")
    assert list_homes(graph) == {
        "unit_0.conv_0": "u.conv_0",
        "repeat_0.i0.unit_0.conv_0": "u.conv_0",
        "repeat_0.i1.unit_0.conv_0": "u.conv_0",
    }
    assert list(graph.weights) == ["u.conv_0.weight", "u.conv_0.bias"]
    assert graph.users["u.conv_0"] == tuple(list_homes(graph))
    assert [node.id for node in graph if graph.holds(node) and graph.weights_of(node)] == ["unit_0.conv_0"]


def test_layers_norms_loops_and_bodies_share_too() -> None:
    network = (
        "[conv: {out: 4, share: c}, conv: {out: 4, share: c}, norm: {share: n}, norm: {share: n},"
        " residual: {body: [conv: 4], share: r}, residual: {body: [conv: 4], share: r},"
        " repeat: {n: 2, body: [conv: 4], share: l}, repeat: {n: 2, body: [conv: 4], share: l},"
        " add: {branches: [[], [conv: 4]], share: a}, add: {branches: [[], [conv: 4]], share: a}]"
    )
    graph = graph_of(f"{HEAD}network: {network}\n")
    kernels = [name for name in graph.weights if name.endswith(".weight")]
    assert kernels == ["c.weight", "n.weight", "r.body.conv_0.weight", "l.i0.conv_0.weight", "l.i1.conv_0.weight",
                       "a.branch1.conv_0.weight"]  # fmt: skip
    assert "repeat_1.i1.conv_0" in graph.nodes


def test_label_may_hold_expressions() -> None:
    network = "[repeat: {n: 4, body: [conv: {out: 4, share: 'pair{i // 2}'}]}]"
    assert [*graph_of(f"{HEAD}network: {network}\n").users] == [
        "x", "pair0", "pair1",
    ]  # fmt: skip


def test_label_is_known_in_the_block_that_it_is_written_in() -> None:
    head = HEAD + "blocks: {tower: {body: [conv: {out: 4, share: c}, conv: {out: 4, share: c}]}}\n"
    apart = graph_of(head + "network: [tower, tower]\n")
    assert list(dict.fromkeys(list_homes(apart).values())) == ["tower_0.c", "tower_1.c"]
    one = graph_of(head + "network: [tower: {share: t}, tower: {share: t}]\n")
    assert set(list_homes(one).values()) == {"t.c"}


def test_body_that_is_handed_in_shares_with_the_call_around() -> None:
    head = HEAD + "blocks: {twice: {args: {f: block}, body: [f, f]}}\n"
    graph = graph_of(head + "network: [twice: {f: [conv: 4], share: t}, twice: {f: [conv: {out: 4, share: own}]}]\n")
    assert list(list_homes(graph).values()) == ["t.f_0.conv_0", "t.f_1.conv_0", "own", "own"]


def test_digest_tells_shared_weights_from_others() -> None:
    texts = ["conv: {out: 4, share: a}", "conv: {out: 4, share: b}", "conv: {out: 4}"]
    graphs = [graph_of(f"{HEAD}network: [{text}, {text}]\n") for text in texts]
    assert len({graph.digest() for graph in graphs}) == 3


@pytest.mark.parametrize(
    ("network", "text"),
    [
        ("[conv: {out: 4, share: c}, conv: 8, ▸conv: {out: 4, share: c}]",
         "this conv shares the weights 'c' with the conv at spec.yaml:5:11; its weight is 4×8×3×3 here and 4×4×3×3 "
         "there"),
        ("[unit: {out: 4, share: u}, unit: {out: 4, stride: 2, share: u}]",
         "this conv shares the weights 'u.conv_0' with the conv at spec.yaml:4:52 in unit(out=4, stride=1), called at "
         "spec.yaml:5:11; `stride` is 2 here and 1 there"),
        ("[batch_norm: {share: b}, flatten, conv: {out: 4, kernel: 1, share: b}]", None),
        ("[prelu: {share: b}, ▸batch_norm: {share: b}]", "one word alone can share them"),
        ("[batch_norm: {share: b}, global_avg_pool, flatten, ▸batch_norm: {share: b}]",
         "its input has 0 spatial axes here and 2 there"),
        ("[conv: {out: 4, share: c}, ▸conv: {out: 4, bias: false, share: c}]", "its bias is none here and 4 there"),
    ],
)  # fmt: skip
def test_what_shares_has_to_be_the_same_layer(network: str, text: str | None) -> None:
    spec, marked = unmarked(f"{BLOCKS}network: {network}\n")
    found = mistakes_of(spec)
    if text is not None:
        assert codes(found) == ["unequal-share"]
        folder = found[0].place.file.removesuffix("spec.yaml")
        assert text in found[0].message.replace(folder, "")
        assert not marked or places(found) == marked


def test_fixup_that_scales_two_uses_apart_is_refused() -> None:
    body = "residual: {scaling: fixup, body: [conv: {out: 4, share: c}, conv: {out: 4, share: c}]}"
    (mistake,) = mistakes_of(f"{HEAD}network: [{body}]\n")
    assert mistake.code == "unequal-share"
    assert "`init` is zeros here and he there" in mistake.message


@pytest.mark.parametrize(
    ("network", "code", "text"),
    [
        ("[conv: {out: 4, share: ▸forward}]", "bad-name", "'forward' is no label for weights"),
        ("[conv: {out: 4, share: ▸_a}]", "bad-name", "'_a' is no label for weights"),
        ("[conv: {out: 4, share: ▸a b}]", "bad-name", "'a b' is not a name"),
        ("[conv: {out: 4, share: ▸3}]", "wrong-type", "`share` of conv should be a name, found 3"),
        ("[conv: {out: 4, share: ▸'a{k}'}]", "unknown-name", "k"),
        ("[unit: {out: 4, share: ▸[u]}]", "wrong-type", "`share` should be a name"),
        ("[tap: {label: t, ▸share: c}]", "unknown-field", "unknown field 'share' of tap"),
        ("[conv: {out: 4, name: c}, ▸conv: {out: 4, share: c}]", "duplicate-name",
         "weights that are shared would be called 'c', and there is a node 'c'; choose another label"),
        ("[conv: {out: 4, share: c}, ▸conv: {out: 4, name: c}]", "duplicate-name", "there are two nodes 'c'"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be(network: str, code: str, text: str) -> None:
    spec, marked = unmarked(f"{BLOCKS}network: {network}\n")
    found = mistakes_of(spec)
    assert codes(found) == [code]
    assert text in found[0].message
    assert places(found) == marked


def test_attention_shares_its_bodies_and_its_bias() -> None:
    body = "[conv: {out: 4, kernel: 1}]"
    attend = f"attend: {{heads: 2, query: {body}, key: {body}, value: {body}, bias: relative, share: a}}"
    weights = list(graph_of(f"{HEAD}network: [{attend}, {attend}]\n").weights)
    assert {name.partition(".")[0] for name in weights} == {"a"}
    assert len([name for name in weights if "attention" in name]) == 1
