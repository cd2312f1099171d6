"""State dicts of others become ours: how their names are translated, and what does not match."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError
from archspec.weights import find_rules, match_weights, read_weights, write_converted
from runtime.weights.safetensors_file import save_weights
from tests.support.conversion import RULES, SPEC, build, match, their_forward, their_state


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("file", ["w.pth", "w.safetensors"])
def test_converted_weights_compute_the_same(file: str) -> None:
    state = their_state()
    torch.save(state, file) if file == "w.pth" else save_file(state, file)
    graph = build()
    conversion = match_weights(file, graph, find_rules("net.yaml", load("net.yaml").params))
    assert conversion.is_whole
    assert len(conversion.ignored) == 2
    write_converted("ours.safetensors", graph, conversion)
    arrays, _ = read_weights("ours.safetensors")
    assert {array.dtype for array in arrays.values()} == {np.dtype("float32")}
    module = to_torch(graph).eval()
    module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(module(x), their_forward(state, x), rtol=1e-4, atol=1e-4)
    state["head"] = state["head"].flip(0)
    assert not torch.allclose(module(x), their_forward(state, x), rtol=1e-2, atol=1e-2)


@pytest.mark.usefixtures("folder")
def test_what_does_not_match_is_listed_on_both_sides() -> None:
    state = their_state()
    state["head"] = torch.zeros(7, 4)
    state["surplus"] = torch.zeros(3)
    del state["layers.12.bn.bias"]
    found = match(state)
    assert [pair.ours for pair in found.missing] == ["repeat_0.i1.batch_norm_0.bias"]
    assert [(pair.ours, pair.theirs, pair.found) for pair in found.misshapen] == [("linear_0.weight", "head", (7, 4))]
    assert found.unused == ("surplus",)
    assert json.loads(json.dumps(found.to_dict()))["wrong_shape"] == [
        {"name": "linear_0.weight", "shape": [5, 4], "source": "head", "found": [7, 4]}
    ]
    with pytest.raises(ArchspecError) as error:
        write_converted("ours.safetensors", build(), found)
    for part in (
        "missing: repeat_0.i1.batch_norm_0.bias (from layers.12.bn.bias)",
        "of another shape: linear_0.weight (from head) (5, 4): (7, 4)",
        "not used: surplus",
    ):
        assert part in str(error.value)
    assert not Path("ours.safetensors").exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("shape", [(4, 5), (20,), (2, 2, 5), (5, 2, 2)])
def test_nothing_is_reshaped_but_extents_of_one(shape: tuple[int, ...]) -> None:
    state = their_state() | {"head": torch.zeros(*shape)}
    assert len(match(state).misshapen) == 1
    assert match(their_state() | {"head": torch.zeros(1, 5, 1, 4)}).is_whole


@pytest.mark.usefixtures("folder")
def test_a_rule_may_reshape(folder: Path) -> None:
    rules = RULES.replace("linear_0.weight: head", "linear_0.weight: {name: head, reshape: true}")
    (folder / "net.weights.yaml").write_text(rules, encoding="utf-8")
    values = torch.arange(20.0)
    found = match(their_state() | {"head": values.reshape(5, 2, 2)})
    np.testing.assert_array_equal(found.read()["linear_0.weight"], values.reshape(5, 4).numpy())
    assert len(match(their_state() | {"head": torch.zeros(21)}).misshapen) == 1


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model.", "net.backbone."])
@pytest.mark.parametrize("source", ["auto", "archspec"])
def test_our_own_names_are_taken_as_they_are(prefix: str, source: str) -> None:
    """torch's own file of the network's state dict, whether or not rules say how others call its weights."""
    state = to_torch(build(), seed=3).state_dict()
    found = match({f"{prefix}{name}": value for name, value in state.items()}, source=source)
    assert found.sources == ("archspec",)
    arrays = found.read()
    assert list(arrays) == list(state)
    for name, value in state.items():
        np.testing.assert_array_equal(arrays[name], value.numpy())
    assert not match_weights("w.pth", build()).unused


@pytest.mark.usefixtures("folder")
def test_own_names_that_are_not_whole_are_listed() -> None:
    state = dict(to_torch(build()).state_dict())
    del state["linear_0.bias"]
    with pytest.raises(ArchspecError, match=r"by the names in the graph.*missing: linear_0\.bias .*not used: more"):
        match({**state, "more": torch.zeros(1)}).check()


@pytest.mark.usefixtures("folder")
def test_only_what_stands_before_every_name_is_taken_away() -> None:
    state = {f"model.{name}": value for name, value in their_state().items()}
    assert match(state).is_whole
    state["head"] = state.pop("model.head")
    assert not match(state).is_whole


@pytest.mark.usefixtures("folder")
def test_the_names_that_were_tried_are_told() -> None:
    foreign = dict(torch.nn.Sequential(torch.nn.Linear(4, 5)).state_dict())
    with pytest.raises(ArchspecError) as error:
        match(foreign).check()
    assert "the nearest of those that were tried (archspec, theirs)" in str(error.value)
    assert str(error.value).endswith("; other names need rules beside the spec, SPEC.weights.yaml")
    with pytest.raises(ArchspecError) as error:
        match(foreign, source="theirs").check()
    assert "tried" not in str(error.value)


def test_a_network_in_a_scope_called_module_keeps_its_names(folder: Path) -> None:
    text = "archspec: 1\ninputs: {x: [3]}\nnetwork: [linear: {out: 2, name: module}]\n"
    (folder / "scoped.yaml").write_text(text, encoding="utf-8")
    graph = elaborate(load("scoped.yaml"))
    torch.save(to_torch(graph).state_dict(), "w.pth")
    assert match_weights("w.pth", graph).is_whole


@pytest.mark.usefixtures("folder")
def test_what_a_file_says_of_its_training_is_kept() -> None:
    graph = build()
    state = {name: value.half().numpy() for name, value in to_torch(graph).state_dict().items()}
    save_weights("half.safetensors", state, {"archspec.task": "labels", "note": "mine"})
    write_converted("w.safetensors", graph, match_weights("half.safetensors", graph))
    arrays, facts = read_weights("w.safetensors")
    assert facts == {"archspec.task": "labels"}
    assert {array.dtype.name for array in arrays.values()} == {"float32"}


@pytest.mark.usefixtures("folder")
def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(ArchspecError, match=r"names of 'their'; did you mean 'theirs'.*has: archspec, theirs"):
        match(their_state(), source="their")
    assert match(their_state(), source="theirs").sources == ("theirs",)


def test_a_spec_without_rules_says_where_they_would_be(folder: Path) -> None:
    (folder / "lone.yaml").write_text(SPEC, encoding="utf-8")
    assert find_rules("lone.yaml", {}) == []
    torch.save(their_state(), "w.pth")
    with pytest.raises(ArchspecError, match=r"not those of lone, .*write them to SPEC\.weights\.yaml beside the spec"):
        match_weights("w.pth", elaborate(load("lone.yaml")), [])


def test_two_weights_of_one_tensor_are_refused(folder: Path) -> None:
    (folder / "net.weights.yaml").write_text(RULES.replace("10 * k + ", ""), encoding="utf-8")
    with pytest.raises(ArchspecError, match=r"i0.*and.*i1.* would both be read from layers\.2\.fc\.weight"):
        match(their_state())


def test_a_weight_without_a_rule_is_missing(folder: Path) -> None:
    (folder / "net.weights.yaml").write_text(RULES.replace("      linear_0.bias: head_bias\n", ""), encoding="utf-8")
    with pytest.raises(ArchspecError, match=r"linear_0.bias \(no rule speaks of it\); not used: head_bias"):
        match(their_state()).check()
