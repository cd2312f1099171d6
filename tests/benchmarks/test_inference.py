"""The benchmark of inference: its judgements on figures made up here, and all of it once on a small network."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.inference import InferencePlan, measure_network
from benchmarks.inference_cells import CANDIDATES, CONTESTS, Cell, Contest
from benchmarks.inference_page import judge, render
from benchmarks.networks import remember


def made_up(network: str, batch: int, **latencies: float) -> Cell:
    """A cell of two rounds of two calls each; the second round takes twice as long for everybody."""
    names = {name.replace("_", " "): taken for name, taken in latencies.items()}
    calls = {name: [[taken, taken], [2 * taken, 2 * taken]] for name, taken in names.items()}
    return Cell(network, 32, batch, dict.fromkeys(names, 1.0), dict.fromkeys(names, 0.0), calls=calls)


CELLS = [made_up("one", 1, archspec=2.0, dynamo=3.0, torchscript=1.0), made_up("two", 8, archspec=1.0, dynamo=4.0)]
FILES = Contest("archspec", "other files", ("dynamo", "torchscript"), each=0.98)


def test_a_contest_is_with_the_fastest_peer_round_by_round() -> None:
    found = judge(FILES, CELLS)
    assert [(item["peer"], item["ratio"]["rounds"]) for item in found["cells"]] == [
        ("torchscript", [0.5, 0.5]),
        ("dynamo", [4.0, 4.0]),
    ]
    assert found["geometric_mean"] == pytest.approx(2**0.5)


def test_a_contest_without_one_side_is_empty() -> None:
    assert judge(Contest("archspec", "nobody", ("OpenVINO of dynamo",)), CELLS)["cells"] == []


def test_contests_are_between_candidates() -> None:
    for contest in CONTESTS:
        assert {contest.ours, *contest.peers} <= set(CANDIDATES)


def test_the_page_marks_losses_and_says_what_could_not_run() -> None:
    cells = [*CELLS, made_up("three", 1, archspec=1.0)]
    cells[2].failed["torch.compile"] = "no compiler"
    report = {
        "rounds": 2,
        "seconds": 0.1,
        "threads": 1,
        "clock": "wall",
        "machine": {"cpu": "x", "cores": 1, "os": "y", "python": "3", "packages": {}},
        "load_average": {"before": 0.0, "after": 0.0},
        "contests": [judge(FILES, cells)],
    }
    text = render(report, cells)
    assert "**0.50 (0.50–0.50) torchscript**" in text
    assert "| 4.00 (4.00–4.00) dynamo |" in text
    assert "- three, torch.compile: no compiler" in text
    assert "| three | 1 | **1500** | – | – |" in text


def test_a_file_is_made_once_for_the_same_facts(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(path: Path) -> None:
        made.append(path)
        path.write_bytes(b"weights")

    for fact in ("resnet18", "resnet18", "resnet50"):
        remember(tmp_path / "new.bin", tmp_path / "kept", make, fact)
        assert (tmp_path / "new.bin").read_bytes() == b"weights"
    assert len(made) == 2
    remember(tmp_path / "new.bin", None, make, "resnet18")
    assert len(made) == 3


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="stopping a process needs POSIX signals")
def test_a_small_network_from_end_to_end() -> None:
    chosen = ("archspec", "archspec for cpu", "torchscript", "torch eager", "OpenVINO of archspec")
    settings = InferencePlan(candidates=chosen, rounds=2, seconds=0.01, tuning=1, threads=1, clock="cpu", cache=None)
    (cell,) = measure_network("resnet20", 16, [2], settings)
    assert not cell.failed
    assert {name: len(rounds) for name, rounds in cell.calls.items()} == dict.fromkeys(chosen, 2)
    assert max(cell.apart.values()) < 1e-5
    assert all(np.isfinite(cell.latency(name)) for name in chosen)


def test_all_candidates_have_a_runtime() -> None:
    from benchmarks.runners import RUNTIMES

    assert {candidate.runtime for candidate in CANDIDATES.values()} <= set(RUNTIMES)
