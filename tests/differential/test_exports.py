"""Random exports against all that they say; and controls: whatever is not true is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from archspec.errors import ArchspecError
from tests.differential import exports
from tests.differential.documents import Spec
from tests.differential.exports import compare, write_wish
from tests.differential.harness import Disagreement, run_seeds, table
from tests.differential.refusals import Refusal, judge_refusal
from tests.differential.specs import compile_spec
from tests.differential.truths import check_session, damage, tell_truths
from tests.differential.wishes import CHANGES, NONSENSE, Wish, draw_wish, give_weights
from tests.differential.witness import Written

MODULE = "tests.differential.exports"

SPEC = Spec(
    {
        "archspec": 1,
        "name": "sample",
        "inputs": {"x": [2, "H", 6]},
        "sizes": {"H": 6},
        "network": [
            {"conv": {"out": 4, "name": "stem"}},
            "batch_norm",
            "relu",
            {"residual": {"body": [{"max_pool": 2}, {"conv": 4}, {"upsample": 2}]}},
            "global_avg_pool",
            "flatten",
            {"linear": 3},
        ],
    }
)
"""Of even heights."""
WISH = Wish(optimized=True)
HIDDEN = "message: shows what is hidden"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks are so small that several only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_nothing_is_untrue() -> None:
    summary = run_seeds(MODULE, range(16))
    assert not summary.found, table(summary)
    assert summary.words["written"] > 8


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 2000, 250))
def test_nothing_is_untrue_of_many(first: int) -> None:
    summary = run_seeds(MODULE, range(first, first + 250))
    assert not summary.found, table(summary)


def kinds(found: Iterable[Disagreement]) -> set[str]:
    return {one.kind for one in found}


def write_sample(folder: Path, wish: Wish = WISH) -> Written:
    graph = compile_spec(SPEC)
    given = give_weights(graph, wish)
    return Written(SPEC, wish, given, write_wish(wish.shape(graph), given, folder / "model.onnx", wish))


def with_weight(written: Written) -> Written:
    return replace(written, given={**written.given, "stem.weight": written.given["stem.weight"] * 1.01})


def with_proof(written: Written) -> Written:
    proof = written.export.proof
    assert proof is not None
    cases = tuple(replace(case, differences={"output": case.worst + 1e-4}) for case in proof.cases)
    return replace(written, export=replace(written.export, proof=replace(proof, cases=cases)))


def with_tolerance(written: Written) -> Written:
    assert written.export.proof is not None
    return replace(written, export=replace(written.export, proof=replace(written.export.proof, tolerance=1.0)))


def with_size(written: Written) -> Written:
    """The file says that any height will do."""
    change_file(written.path, "archspec.sizes", lambda text: text.replace('"step": 2', '"step": 1'))
    return replace(written)


def with_few_sizes(written: Written) -> Written:
    change_file(written.path, "archspec.sizes", lambda text: text.replace('"step": 2', '"last": 8, "step": 2'))
    return replace(written)


def change_file(path: Path, key: str, change: Callable[[str], str]) -> None:
    model = onnx.load(path)
    entry = next(entry for entry in model.metadata_props if entry.key == key)
    assert change(entry.value) != entry.value
    entry.value = change(entry.value)
    onnx.save(model, path)


def with_nonsense(written: Written) -> Written:
    model = onnx.load(written.path)
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4
    onnx.save(model, written.path)
    return replace(written)


def with_file(written: Written) -> Written:
    (written.path.parent / "more").write_bytes(b"")
    return written


def with_wish(**changes: Any) -> Callable[[Written], Written]:
    return lambda written: replace(written, wish=replace(written.wish, **changes))


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (with_weight, "onnx"),
        (with_weight, "proof"),
        (with_proof, "proof"),
        (with_tolerance, "proof: tolerance"),
        (with_size, "promised size"),
        (with_nonsense, "onnx.checker"),
        (with_nonsense, "verify"),
        (with_file, "report: files"),
        (with_wish(precision="fp16"), "report: precision"),
        (with_wish(verify=False), "report: proof"),
        (with_wish(tells=True), "report: metadata"),
        (with_wish(optimized=False), "report: optimized"),
    ],
)
def test_what_is_untrue_is_found(wrong: Callable[[Written], Written], kind: str, tmp_path: Path) -> None:
    assert kind in kinds(tell_truths(wrong(write_sample(tmp_path)), Counter()))


def test_a_file_that_promises_less_than_fits_is_counted(tmp_path: Path) -> None:
    """And a control: of the file as it was written everything is true."""
    words = Counter[str]()
    assert not kinds(tell_truths(write_sample(tmp_path / "right"), words))
    assert not words["(fits, not promised)"]
    list(tell_truths(with_few_sizes(write_sample(tmp_path / "wrong")), words))
    assert words["(fits, not promised)"]


def test_an_optimized_form_of_another_model_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, other = write_sample(tmp_path / "a"), write_sample(tmp_path / "b", replace(WISH, seed=1))
    assert not kinds(check_session(written))
    monkeypatch.setattr("runtime.session.request.find_optimized", lambda model: other.export.optimized)
    assert kinds(check_session(written)) == {"session as written"}


@pytest.mark.parametrize("two_files", [False, True])
def test_a_damage_is_one_bit(two_files: bool, tmp_path: Path) -> None:
    written = write_sample(tmp_path, Wish(two_files=two_files))
    before = read_numbers(written.path)
    assert damage(written)
    pairs = [(before[name], numbers) for name, numbers in read_numbers(written.path).items()]
    assert sum(int(np.unpackbits(one ^ other).sum()) for one, other in pairs) == 1


def read_numbers(path: Path) -> dict[str, Any]:
    tensors = onnx.load(path).graph.initializer
    return {tensor.name: np.frombuffer(onnx.numpy_helper.to_array(tensor).tobytes(), np.uint8) for tensor in tensors}


PLAIN = Wish()


@pytest.mark.parametrize(
    ("message", "wish", "found"),
    [
        ("the weights do not fit sample: stem.weight is missing", Wish(weights="missing"), set()),
        ("the weights do not fit sample: stem.weight is missing", PLAIN, {"refused without a reason"}),
        ("the weights of sample are not finite: stem.bias holds inf or nan", PLAIN, {"refused without a reason"}),
        ("stem.weight holds 1e+05, which is infinite in float16", PLAIN, {"refused without a reason"}),
        ("output 'output' holds infinite numbers or NaN in torch", PLAIN, {"refused without a reason"}),
        ("output 'output' holds infinite numbers or NaN in ONNX", PLAIN, {"refused without a reason"}),
        ("output 'output' differs by 1 between torch and ONNX", PLAIN, {"refused without a reason"}),
        ("a vote is taken among channels, and 'output' has one", PLAIN, {"refused without a reason"}),
        ("the weights do not fit", Wish(weights="missing"), {"message: names nothing"}),
        ("sample is odd", PLAIN, {"refused without a reason"}),
        ("cannot write /tmp/.model.onnx.x8/model.onnx: the weights do not fit sample", Wish(weights="text"), {HIDDEN}),
        ("do not fit sample:\nstem", Wish(weights="text"), {HIDDEN}),
    ],
)
def test_a_refusal_that_is_none_is_found(message: str, wish: Wish, found: set[str]) -> None:
    graph = compile_spec(SPEC)
    refusal = Refusal(message, Path("/tmp/model.onnx"), SPEC, wish, give_weights(graph, wish), graph)
    assert kinds(judge_refusal(refusal)) == found


def test_what_is_left_behind_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(graph: object, given: object, path: Path, wish: object) -> None:
        path.with_name("half").write_bytes(b"")
        raise ArchspecError("sample is odd")

    monkeypatch.setattr(exports, "write_wish", leave)
    assert "left behind" in kinds(compare(SPEC, PLAIN, Counter()))


def test_two_exports_that_differ_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def tell_time(graph: Any, given: Any, path: Path, wish: Wish) -> Any:
        serial.append(path)
        return write_wish(graph, given, path, replace(wish, tells=len(serial) > 1))

    serial: list[Path] = []
    monkeypatch.setattr(exports, "write_wish", tell_time)
    assert "bytes" in kinds(compare(SPEC, PLAIN, Counter()))


@pytest.mark.parametrize("weights", NONSENSE)
def test_nonsense_is_refused(weights: str) -> None:
    words = Counter[str]()
    assert not kinds(compare(SPEC, Wish(weights=weights, verify=False), words))
    assert not words["written"]


def test_every_wish_is_drawn() -> None:
    drawn = Counter(word for seed in range(1500) for word in draw_wish(Random(seed)).words())
    assert all(drawn[f"weights: {change}"] and drawn[f"weights: {change} everywhere"] for change in CHANGES)
