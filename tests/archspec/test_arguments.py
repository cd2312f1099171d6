"""The Python API says in words what it cannot take, whatever that is; and takes numpy's numbers as Python's."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import archspec
from archspec.arguments import checked
from archspec.errors import ArchspecError, InputError

TINY = """\
archspec: 1
name: tiny
params: {width: 4}
inputs: {x: [1, H, W]}
sizes: {H: 4, W: 4}
network: [conv: width, batch_norm, relu, global_avg_pool, flatten, linear: 2]
"""


class Odd:
    """An object that answers nothing that it is asked."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("no name")

    def __array__(self, *args: Any) -> Any:
        raise RuntimeError("no array")


ODD: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "number": lambda: 3,
    "fraction": lambda: 0.5,
    "text": lambda: "resnet_digits_",
    "bytes": lambda: b"x",
    "file": io.BytesIO,
    "list": lambda: [1, 2],
    "mapping": lambda: {"a": object()},
    "numbered": lambda: {1: 2},
    "itself": lambda: archspec,
    "type": lambda: torch.nn.Linear,
    "module": lambda: torch.nn.Linear(2, 2),
    "tensor": lambda: torch.ones(2),
    "array": lambda: np.ones((2, 2)),
    "function": lambda: print,
    "odd": Odd,
    "NUL": lambda: "a\0b",
    "half": lambda: "\ud800",
    "long": lambda: "x" * 5000,
    "spec": lambda: archspec.load("tiny.yaml"),
    "graph": lambda: archspec.elaborate(archspec.load("tiny.yaml")),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY, encoding="utf-8")


def calls(odd: Any) -> list[Callable[[], Any]]:
    """Each function of the API, with one argument that is not what it should be."""
    spec = archspec.load("tiny.yaml")
    graph = archspec.elaborate(spec)
    state = archspec.to_torch(graph).state_dict()
    return [
        lambda: archspec.load(odd),
        lambda: archspec.load("tiny.yaml", odd),
        lambda: archspec.load("tiny.yaml", {"width": odd}),
        lambda: archspec.check(odd),
        lambda: archspec.elaborate(odd),
        lambda: archspec.elaborate(spec, odd),
        lambda: archspec.elaborate(spec, {"H": odd}),
        lambda: archspec.open_network(odd),
        lambda: archspec.analyze(odd),
        lambda: archspec.analyze(graph, odd),
        lambda: archspec.accepted_sizes(odd),
        lambda: archspec.largest_batch(odd, 1000),
        lambda: archspec.proof_cases(odd),
        lambda: archspec.measure_signal(odd),
        lambda: archspec.measure_path_gradient(odd),
        lambda: archspec.compare_choices(odd, "norm"),
        lambda: archspec.to_torch(odd),
        lambda: archspec.to_onnx(odd, state, "m.onnx", verify=False),
        lambda: archspec.to_onnx(graph, odd, "m.onnx", verify=False),
        lambda: archspec.to_onnx(graph, {**state, "linear_0.bias": odd}, "m.onnx", verify=False),
        lambda: archspec.to_onnx(graph, state, odd, verify=False),
        lambda: archspec.to_onnx(graph, state, "m.onnx", verify=False, metadata=odd),
        lambda: archspec.to_onnx(graph, state, "m.onnx", verify=False, metadata={"a": odd}),
        lambda: archspec.to_onnx(graph, state, "m.onnx", verify=False, options=odd),
        lambda: archspec.to_onnx(graph, state, "m.onnx", verify=False, calibration=odd),
        lambda: archspec.verify_model(odd),
        lambda: archspec.verify_model("m.onnx", odd),
        lambda: archspec.verify_model("m.onnx", (odd, state)),
        lambda: archspec.verify_model("m.onnx", (graph, odd)),
        lambda: archspec.train(odd, "digits"),
        lambda: archspec.train(spec, odd),
        lambda: archspec.read_weights(odd),
        lambda: archspec.find_rules(odd, {}),
        lambda: archspec.match_weights(odd, graph),
        lambda: archspec.match_weights("w.pth", odd),
        lambda: archspec.write_converted("w.safetensors", graph, odd),
        lambda: archspec.combine_weights(odd, ["a", "b"], "mean"),
        lambda: archspec.sample_ensemble(odd, state, "mean", data="digits", passes=2),
        lambda: archspec.sample_ensemble(graph, odd, "mean", data="digits", passes=2),
        lambda: archspec.evaluate(odd),
    ]


@pytest.mark.parametrize("name", ODD)
def test_odd_objects_are_taken_or_refused_in_words(name: str) -> None:
    refused = [answer for answer in map(answer_of, calls(ODD[name]())) if answer is not None]
    assert len(refused) > 25
    assert all(refused)


def answer_of(call: Callable[[], Any]) -> str | None:
    """What a call says against what it was given; None where it takes it."""
    try:
        call()
    except ArchspecError as error:
        return str(error)
    return None


def test_what_to_give_instead_is_said() -> None:
    spec = archspec.load("tiny.yaml")
    for call in (archspec.to_torch, archspec.analyze, archspec.accepted_sizes):
        with pytest.raises(InputError, match=rf"{call.__name__}: `graph` is a graph, .*archspec\.elaborate\(spec\)"):
            call(spec)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"archspec\.elaborate\(archspec\.load"):
        archspec.to_torch("tiny.yaml")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"`spec` is a spec, found 'tiny\.yaml'; archspec\.load"):
        archspec.elaborate("tiny.yaml")  # type: ignore[arg-type]


def test_numbers_and_recipes_are_taken_or_refused_in_words() -> None:
    spec = archspec.load("tiny.yaml")
    graph = archspec.elaborate(spec)
    odd: Any = [3, [0], [True], [2.5], "12", -1, True, "x"]
    calls: list[tuple[str, Callable[[], object]]] = [
        ("verify_model: `batches` are several whole numbers, found 3", partial(verify, batches=odd[0])),
        ("verify_model: `batches`: each is a whole number from 1 on, found 0", partial(verify, batches=odd[1])),
        ("`batches`: each is a whole number from 1 on, found True", partial(verify, batches=odd[2])),
        ("`batches`: each is a whole number from 1 on, found 2.5", partial(verify, batches=odd[3])),
        ("`batches` are several whole numbers, found '12'", partial(verify, batches=odd[4])),
        ("verify_model: `seed` is a whole number from 0 on, found -1", partial(verify, seed=odd[5])),
        ("to_torch: `seed` is a whole number from 0 on, found True", lambda: archspec.to_torch(graph, seed=odd[6])),
        ("measure_signal: `seed` is a whole number", lambda: archspec.measure_signal(graph, seed=odd[7])),
        ("elaborate: `max_nodes` is a whole number from 1", lambda: archspec.elaborate(spec, max_nodes=odd[7])),
        ("train: `max_nodes` is a whole number from 1 on, found -1", partial(train, spec, "run", max_nodes=odd[5])),
        ("sample_ensemble: `passes` is a whole number from 1 on, found 2.5", partial(sample, graph, passes=2.5)),
        ("sample_ensemble: `passes` is a whole number from 1 on, found '12'", partial(sample, graph, passes=odd[4])),
        ("sample_ensemble: `batch` is a whole number from 1 on, found 0", partial(sample, graph, passes=2, batch=0)),
        ("evaluate: `monte_carlo` is a whole number", partial(archspec.evaluate, "run", monte_carlo=odd[6])),
        ("evaluate: `mc_batch` is a whole number from 1 on, found 0", partial(archspec.evaluate, "run", mc_batch=0)),
        ("`recipe` is runtime.recipes.recipe.Recipe", lambda: archspec.train(spec, "digits", recipe=odd[0])),
    ]
    for words, call in calls:
        with pytest.raises(InputError, match=re.escape(words)):
            call()
    assert archspec.to_torch(graph, seed=np.int64(3)) is not None  # type: ignore[arg-type]


def test_files_are_names_of_files() -> None:
    graph = archspec.elaborate(archspec.load("tiny.yaml"))
    torch.save(archspec.to_torch(graph).state_dict(), "w.pth")
    calls: list[tuple[str, Any, Any]] = [
        ("combine_weights: `files`: each is the name of a file, found 99", ["w.pth", 99], "mean"),
        ("`files`: each: a file name cannot hold a NUL", ["w.pth", "a\0b"], "mean"),
        ("`files` are several names of files, found 'w.pth'", "w.pth", "mean"),
        ("`files` are several names of files, found a value of type bytes", b"w.pth", "mean"),
        ("`files` are several names of files, found a value of type NoneType", None, "mean"),
        ("`how` is a name, found a value of type NoneType", ["w.pth", "w.pth"], None),
        ("members are combined by mean or vote, found 'median'", ["w.pth", "w.pth"], "median"),
        ("an ensemble has at least two members, found 1", ["w.pth"], "mean"),
    ]
    for words, files, how in calls:
        with pytest.raises(InputError, match=re.escape(words)):
            archspec.combine_weights(graph, files, how)
    assert archspec.combine_weights(graph, (Path("w.pth"), "w.pth"), "mean")[2]["archspec.members"] == "2"


def test_words_functions_and_rules_are_taken_or_refused() -> None:
    spec = archspec.load("tiny.yaml")
    graph = archspec.elaborate(spec)
    torch.save(archspec.to_torch(graph).state_dict(), "w.pth")
    rules = "rules are functions by the classes of operations, found"
    calls: list[tuple[str, Callable[..., object], dict[str, Any]]] = [
        (
            "`wanted` are several names, found a value of type NoneType",
            partial(archspec.analyze, graph),
            {"wanted": None},
        ),
        ("`wanted` are several names, found 'memory'", partial(archspec.analyze, graph), {"wanted": "memory"}),
        ("`wanted`: each is a name, found 3", partial(archspec.analyze, graph), {"wanted": [3]}),
        ("there is no analysis 'memori'", partial(archspec.analyze, graph), {"wanted": ["memori"]}),
        ("`optimizer` is a name, found 3", partial(archspec.analyze, graph), {"optimizer": 3, "wanted": ["memory"]}),
        ("compare_choices: `what` is a name, found 3", partial(archspec.compare_choices, spec), {"what": 3}),
        ("there is no choice 'nor'", partial(archspec.compare_choices, spec), {"what": "nor"}),
        ("`budget` is a number, found 'x'", partial(archspec.largest_batch, graph), {"budget": "x"}),
        ("`precision` is a name, found", partial(archspec.largest_batch, graph, 1 << 20), {"precision": ["fp32"]}),
        ("precision should be one of", partial(archspec.largest_batch, graph, 1 << 20), {"precision": "fp8"}),
        ("list_zoo: `words` are several names, found 3", archspec.list_zoo, {"words": 3}),
        ("list_zoo: `words` are several names, found 'vgg'", archspec.list_zoo, {"words": "vgg"}),
        ("list_zoo: `on_spec` is a function, found", archspec.list_zoo, {"on_spec": None}),
        ("no name and no family in the zoo fits", archspec.list_zoo, {"words": ["vgh"]}),
        ("verify_model: `on_check` is a function, found", verify, {"on_check": None}),
        ("verify_model: `tolerance` is a number, found '1e-3'", verify, {"tolerance": "1e-3"}),
        ("find_rules(…) finds, not 3", partial(archspec.match_weights, "w.pth", graph), {"rules": 3}),
        ("find_rules(…) finds, not a value", partial(archspec.match_weights, "w.pth", graph), {"rules": [{}]}),
        ("train: `on_step` is a function, found 3", partial(train, spec, "run"), {"on_step": 3}),
        ("`samples` is a whole number", partial(archspec.measure_path_gradient, graph), {"samples": "x"}),
        (rules, partial(archspec.measure_path_gradient, graph), {"rules": "x"}),
        (rules, partial(archspec.measure_signal, graph), {"rules": 3}),
        (rules, partial(archspec.to_torch, graph), {"rules": [print]}),
        (rules, partial(archspec.to_torch, graph), {"rules": {"relu": print}}),
    ]
    for words, call, given in calls:
        with pytest.raises(InputError, match=re.escape(words)):
            call(**given)
    assert archspec.analyze(graph, wanted={"memory"}, precision="fp16").memory is not None
    assert archspec.largest_batch(graph, np.int64(0)) == 0  # type: ignore[arg-type]
    assert [row["name"] for row in archspec.list_zoo(("resnet_digits",))] == ["resnet_digits"]


WAITING = """\
import os
import archspec
from {module} import combine_weights

graph = archspec.elaborate(archspec.load("tiny.yaml"))
reader, writer = os.pipe()
print("begins", flush=True)
try:
    combine_weights(graph, [reader, reader], "mean")
except archspec.InputError as error:
    print(error)
"""


@pytest.mark.parametrize(("module", "waits"), [("archspec", False), ("runtime.export.ensemble", True)])
def test_a_descriptor_of_the_caller_is_not_read(module: str, waits: bool) -> None:
    """Nobody writes into the pipe; the control is what reads the files, which checks nothing itself and waits."""
    script = [sys.executable, "-c", WAITING.format(module=module)]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n"
            with pytest.raises(subprocess.TimeoutExpired) if waits else nullcontext():
                process.wait(timeout=3 if waits else 60)
        finally:
            process.kill()
        assert ("each is the name of a file" in process.stdout.read()) is not waits


def verify(**keywords: Any) -> object:
    return archspec.verify_model("m.onnx", **keywords)


def sample(graph: Any, **keywords: Any) -> object:
    return archspec.sample_ensemble(graph, {}, "mean", data="digits", **keywords)


def train(spec: Any, folder: str, **keywords: Any) -> object:
    return archspec.train(spec, "digits", folder=folder, **keywords)


def test_an_unknown_keyword_is_named_before_what_is_missing() -> None:
    """As Python does it; the controls are functions that have all their keywords in their signatures."""
    calls: list[Any] = [archspec.verify_model, archspec.sample_ensemble, archspec.to_onnx]
    for call in (*calls, archspec.analyze, archspec.train):
        with pytest.raises(TypeError, match=rf"{call.__name__}\(\) got an unexpected keyword argument 'zzz'"):
            call(zzz=1)
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'batch'; did you mean 'batches'"):
        calls[0]("m.onnx", batch=1)
    for call in calls:
        with pytest.raises(TypeError, match=r"missing .* required positional argument"):
            call(metadata={})
    with pytest.raises(TypeError, match=r"sample_ensemble\(\) misses the keyword argument 'data'"):
        calls[1](archspec.elaborate(archspec.load("tiny.yaml")), {}, "mean", passes=2)


def test_numpys_numbers_are_pythons() -> None:
    spec = archspec.load("tiny.yaml", {"width": np.int64(6)})
    assert spec.params["width"] == 6
    graph = archspec.elaborate(spec, {"H": np.int32(7)})  # type: ignore[dict-item]
    assert graph.sizes["H"] == 7
    assert graph.weights["linear_0.weight"].shape == (2, 6)


def test_a_checked_function_is_called_as_it_is_written() -> None:
    @checked
    def join(path: str, other: int = 3, *, sizes: Any = None) -> tuple[Any, ...]:
        """Its words."""
        return path, other, sizes

    assert join("a") == ("a", 3, None)
    assert join("a", 4, sizes={"H": 1}) == ("a", 4, {"H": 1})
    assert join(path="a", sizes=None) == ("a", 3, None)
    assert join.__doc__ == "Its words."
    with pytest.raises(TypeError, match="positional argument"):
        join("a", 4, 5)  # type: ignore[call-arg]
    with pytest.raises(InputError, match="join: `path` is the name of a file, found 3"):
        join(3)  # type: ignore[arg-type]
