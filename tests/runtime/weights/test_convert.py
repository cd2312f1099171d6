"""State dicts of others: how their names are translated, what is refused, and what a file of anybody's may cost."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from archspec.api import elaborate, find_rules, load, match_weights, read_weights, to_torch, write_converted
from archspec.errors import ArchspecError, SpecError
from compiler.graph import Graph
from runtime.weights.convert import Conversion
from runtime.weights.name_rules import Pattern, Template
from runtime.weights.safetensors_file import save_weights
from runtime.weights.state_dict import read_state_dict

SPEC = """\
archspec: 1
params: {depth: 2, widths: [4, 4]}
inputs: {x: [3, H, W]}
sizes: {H: 8, W: 8}
network:
  - repeat: {n: depth, body: [conv: {out: 4, kernel: 1}, batch_norm]}
  - global_avg_pool
  - flatten
  - linear: 5
"""
RULES = """\
weight_rules: 1
rules:
  - specs: [net]
    sources: [theirs]
    let: {width: [len(widths), 9]}
    names:
      repeat_0.i{k}.conv_0: layers.{10 * k + width[0]}.fc
      repeat_0.i{k}.batch_norm_0: layers.{10 * k + len(widths)}.bn
      linear_0.weight: head
      linear_0.bias: head_bias
  - specs: [other]
    sources: [theirs]
    names: {linear_0: {name: elsewhere}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "net.weights.yaml").write_text(RULES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def their_state() -> dict[str, torch.Tensor]:
    """What fits the spec: the convolutions are linear layers there, and a counter stands beside each normalization."""
    random = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    for at, inputs in ((2, 3), (12, 4)):
        state[f"layers.{at}.fc.weight"] = torch.randn(4, inputs, generator=random)
        for name in ("fc.bias", "bn.weight", "bn.bias", "bn.running_mean"):
            state[f"layers.{at}.{name}"] = torch.randn(4, generator=random)
        state[f"layers.{at}.bn.running_var"] = torch.rand(4, generator=random) + 0.5
        state[f"layers.{at}.bn.num_batches_tracked"] = torch.tensor(7)
    state["head"] = torch.randn(5, 4, generator=random)
    state["head_bias"] = torch.randn(5, generator=random)
    return state


def their_forward(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The same network in torch's own words, layers of positions instead of convolutions."""
    x = x.movedim(1, -1)
    for at in (2, 12):
        x = torch.nn.functional.linear(x, state[f"layers.{at}.fc.weight"], state[f"layers.{at}.fc.bias"])
        mean, variance = state[f"layers.{at}.bn.running_mean"], state[f"layers.{at}.bn.running_var"]
        x = (x - mean) / (variance + 1e-5).sqrt() * state[f"layers.{at}.bn.weight"] + state[f"layers.{at}.bn.bias"]
    return x.mean((1, 2)) @ state["head"].T + state["head_bias"]


def build() -> Graph:
    return elaborate(load("net.yaml"))


def match(state: Any, file: str = "w.pth", source: str = "auto") -> Conversion:
    torch.save(state, file)
    return match_weights(file, build(), find_rules("net.yaml", load("net.yaml").params), source)


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
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}},
        lambda state: {"model": state},
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {f"layers.{name}": value for name, value in state.items()},
        lambda state: {"state_dict": {f"module._orig_mod.{name}": value for name, value in state.items()}},
        lambda state: OrderedDict(
            (name, torch.nn.Parameter(v) if v.is_floating_point() else v) for name, v in state.items()
        ),
    ],
)
def test_wrappings_are_taken_away(wrap: Any) -> None:
    found = match(wrap(their_state()))
    found.check()
    for name, array in match(their_state()).read().items():
        np.testing.assert_array_equal(found.read()[name], array)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_become_float32(dtype: torch.dtype) -> None:
    """Each number is torch's own conversion of it, from both kinds of files."""
    state = {name: value.to(dtype) if value.is_floating_point() else value for name, value in their_state().items()}
    expected = state["head"].float().numpy()
    np.testing.assert_array_equal(match(state).read()["linear_0.weight"], expected)
    save_file(state, "w.safetensors")
    found = match_weights("w.safetensors", build(), find_rules("net.yaml", load("net.yaml").params)).read()
    np.testing.assert_array_equal(found["linear_0.weight"], expected)


@pytest.mark.usefixtures("folder")
def test_doubles_are_rounded_aloud(caplog: pytest.LogCaptureFixture) -> None:
    match({name: value.double() for name, value in their_state().items()}).read()
    assert caplog.messages == []  # float32 holds these
    match(their_state() | {"head_bias": torch.full((5,), 0.1, dtype=torch.float64)}).read()
    assert caplog.messages == ["weights of 64 bits are rounded to float32: head_bias"]


@pytest.mark.usefixtures("folder")
def test_files_of_old_torch_are_read() -> None:
    torch.save(their_state(), "old.pth", _use_new_zipfile_serialization=False)
    stored, _ = read_state_dict("old.pth")
    np.testing.assert_array_equal(stored["head"].read(), their_state()["head"].numpy())


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


def sparse() -> torch.Tensor:
    return torch.sparse_coo_tensor(torch.tensor([[0]]), torch.tensor([1.0]), (10**12,), check_invariants=True)


class Code:
    def __reduce__(self) -> Any:
        return (os.system, ("exit 1",))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"x": torch.zeros(1).expand(10**12)}, "'x' claims 1,000,000,000,000 numbers, of which 1 are stored"),
        ({"x": torch.zeros(3, device="meta")}, "weights are plain tensors"),
        ({"x": sparse()}, "weights are plain tensors"),
        ({"x": 3}, "'x' is a int, not a tensor"),
        ({3: torch.zeros(1)}, "names should be strings, found '3'"),
        ([torch.zeros(1)], "holds a list, not a state dict"),
        ({}, "holds no tensors"),
        ({"x": Code()}, r"names (posix|nt)\.system, and no code of a file is run"),
        ({"state_dict": {"state_dict": {"state_dict": {"x": 1}}}}, "'state_dict' is a dict, not a tensor"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_what_is_no_state_dict_is_refused(state: Any, message: str, zipped: bool) -> None:
    torch.save(state, "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ArchspecError, match=message):
        read_state_dict("w.pth")


@pytest.mark.usefixtures("folder")
def test_a_state_dict_that_holds_itself_ends() -> None:
    state: dict[str, Any] = {"x": torch.zeros(1)}
    state["state_dict"] = state
    torch.save(state, "w.pth")
    with pytest.raises(ArchspecError, match="not a tensor"):
        read_state_dict("w.pth")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0, 5, 100, 1000, -1])
def test_a_file_that_is_cut_off_is_refused(zipped: bool, kept: int) -> None:
    torch.save(their_state(), "w.pth", _use_new_zipfile_serialization=zipped)
    Path("w.pth").write_bytes(Path("w.pth").read_bytes()[:kept])
    with pytest.raises(ArchspecError, match=r"w\.pth"):
        read_state_dict("w.pth")


@pytest.mark.usefixtures("folder")
def test_a_safetensors_file_that_is_cut_off_is_refused() -> None:
    save_file(their_state(), "w.safetensors")
    Path("w.safetensors").write_bytes(Path("w.safetensors").read_bytes()[:-1])
    with pytest.raises(ArchspecError, match="not a safetensors file of weights, or it is cut off"):
        read_state_dict("w.safetensors")


@pytest.mark.usefixtures("folder")
def test_a_compressed_archive_is_refused() -> None:
    """Ten megabytes of zeros in a few kilobytes: torch would unpack them."""
    torch.save({"x": torch.zeros(2_500_000)}, "w.pth")
    with zipfile.ZipFile("w.pth") as plain, zipfile.ZipFile("small.pth", "w", zipfile.ZIP_DEFLATED) as small:
        for record in plain.infolist():
            small.writestr(record.filename, plain.read(record))
    with pytest.raises(ArchspecError, match="more than it has"):
        read_state_dict("small.pth")


@pytest.mark.usefixtures("folder")
def test_numbers_that_float32_lacks_are_refused() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ArchspecError, match="'head_bias' holds infinite numbers or NaN"):
            match(their_state() | {"head_bias": torch.full((5,), value)}).read()
    with pytest.raises(ArchspecError, match=r"'head_bias' holds 1e\+300, which is infinite in float32"):
        match(their_state() | {"head_bias": torch.full((5,), 1e300, dtype=torch.float64)}).read()
    with pytest.raises(ArchspecError, match=r"'head_bias' is of type int64, and weights"):
        match(their_state() | {"head_bias": torch.zeros(5, dtype=torch.int64)}).read()


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


def test_a_variant_takes_the_rules_of_its_base(folder: Path) -> None:
    (folder / "mine.yaml").write_text("archspec: 1\nextends: resnet18\nparams: {classes: 3}\n", encoding="utf-8")
    (rules,) = find_rules("mine.yaml", load("mine.yaml").params)
    assert rules.translate("repeat_0.i2.basic_block_0.residual_0.body.conv_1.weight") == (
        "layer3.0.conv2.weight",
        False,
    )
    (folder / "loop.yaml").write_text("archspec: 1\nextends: loop\n", encoding="utf-8")
    assert find_rules("loop.yaml", {}) == []


def test_two_weights_of_one_tensor_are_refused(folder: Path) -> None:
    (folder / "net.weights.yaml").write_text(RULES.replace("10 * k + ", ""), encoding="utf-8")
    with pytest.raises(ArchspecError, match=r"i0.*and.*i1.* would both be read from layers\.2\.fc\.weight"):
        match(their_state())


def test_a_weight_without_a_rule_is_missing(folder: Path) -> None:
    (folder / "net.weights.yaml").write_text(RULES.replace("      linear_0.bias: head_bias\n", ""), encoding="utf-8")
    with pytest.raises(ArchspecError, match=r"linear_0.bias \(no rule speaks of it\); not used: head_bias"):
        match(their_state()).check()


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("weight_rules: 1", "weight_rules: 2", "1:15", "should be 1"),
        ("sources:", "source:", "4:5", "unknown field 'rules.0.source'"),
        ("linear_0.weight: head", "linear_0.weight: [head]", "9:24", "names.linear_0.weight"),
        ("linear_0.weight: head", 'linear_0.weight: "{1 +}"', "9:24", "'1 +' is not an expression"),
        ("linear_0.weight: head", "linear_0.weight: a/b", "9:24", "'a/b' is no name"),
        ("linear_0.weight: head", "linear_0.weight: {name: head, shape: 3}", "9:37", "unknown field"),
        ("linear_0.weight: head", "lin/ear_0.weight: head", "9:7", "'lin/ear_0.weight' should be made of names"),
        ("linear_0.weight: head", "linear_0.{k}.{k}: head", "9:7", "should be a name that stands there once"),
        ("linear_0.weight: head", "linear_0.{k + 1}: head", "9:7", "should be a name that stands there once"),
        ("linear_0.weight: head", "linear_0.**: head", "9:7", "not at its end"),
        ("linear_0.weight: head", "a.**.b.**.c.**.d: head", "9:7", "at most 2 times"),
        ("linear_0.weight: head", "a..b: head", "9:7", "has an empty part"),
        ("width: [len(widths), 9]", "width: [len(depths), 9]", "5:18", "unknown name 'depths'"),
        ("width: [len(widths), 9]", "len: 3", "5:11", "should be a name that an expression can use"),
        ("width[0]}.fc", "width[2]}.fc", "7:29", "index 2 in a list of 2"),
        ("width[0]}.fc", "widht[0]}.fc", "7:29", "unknown name 'widht'; did you mean 'width'?"),
        ("width[0]}.fc", "k - 99}.fc", "7:29", "should be a whole number from 0"),
        ("width[0]}.fc", "k / 2 + 0.3}.fc", "7:29", "should be a whole number from 0"),
        ("    names:\n", "    names: []\n    more:\n", "6:12", "names"),
        ("rules:\n", "rules: 3\nrest:\n", "2:8", "rules"),
    ],
)
def test_mistakes_in_rules_are_told_with_their_place(
    folder: Path, old: str, new: str, place: str, message: str
) -> None:
    assert old in RULES
    (folder / "net.weights.yaml").write_text(RULES.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SpecError) as error:
        match(their_state())
    assert f"net.weights.yaml:{place}: " in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["- 1\n", "3\n"])
def test_rules_are_a_mapping(folder: Path, text: str) -> None:
    (folder / "net.weights.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match="rules are a mapping"):
        find_rules("net.yaml", {})


def test_a_key_that_stands_twice_is_refused(folder: Path) -> None:
    (folder / "net.weights.yaml").write_text(RULES + "weight_rules: 1\n", encoding="utf-8")
    with pytest.raises(SpecError, match="duplicate-key"):
        find_rules("net.yaml", {})


@pytest.mark.parametrize(
    ("pattern", "name", "numbers"),
    [
        ("a.i{k}.b", "a.i12.b", {"k": 12}),
        ("a.i{k}.b", "a.i12.b.c", None),
        ("a.i{k}.b", "a.i.b", None),
        ("a.*.b", "a.x_0.b", {}),
        ("a.*.b", "a.x.y.b", None),
        ("a.*_0.b", "a.x_0.b", {}),
        ("a.**.b", "a.b", {}),
        ("a.**.b", "a.x.y.b", {}),
        ("**.b", "b", {}),
        ("a.**.i{k}.**.b", "a.x.i3.y.z.b", {"k": 3}),
        ("a+b", None, None),
    ],
)
def test_patterns(pattern: str, name: str | None, numbers: dict[str, int] | None) -> None:
    if name is None:
        with pytest.raises(ValueError, match="should be made of names"):
            Pattern.parse(pattern)
    else:
        assert Pattern.parse(pattern).match(name) == numbers


def test_templates() -> None:
    assert Template.parse("a{k + 1}.b-{2 * k}").write({"k": 3}) == "a4.b-6"
    assert re.fullmatch(r"[a-z]+", Template.parse("plain").write())
