"""The studies of docs/studies: each can be trained as it is written, small ones run from end to end, and the pages say
what the results say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from archspec.errors import InputError
from docs.studies.__main__ import main
from docs.studies.results import CURVES, MARKED, PAGE, RESULTS, VOTES, fill_page, write_results
from docs.studies.study import STUDIES, Study, find_study, list_studies
from docs.studies.trainings import read_outcome, train_all
from runtime.data.registry import load_data
from runtime.runs.record import RunRecord
from runtime.training.fitting import fit_network

EMPTY = "# Page\n\n<!-- written by `python -m docs.studies` -->\n<!-- until here -->\n\nThe end.\n"


def make_study(folder: Path, text: str, steps: int = 1) -> Study:
    """A study in a folder, of so many steps, with a page that has no tables yet."""
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text(f"title: T\nquestion: Q?\nsource: S\n{text}", encoding="utf-8")
    (folder / "recipe.yaml").write_text(f"recipe: 1\nbatch: 8\nthreads: 1\nsteps: {steps}\n", encoding="utf-8")
    (folder / PAGE).write_text(EMPTY, encoding="utf-8")
    return Study.read(folder)


@pytest.mark.parametrize("name", list_studies())
def test_each_variant_can_be_trained(name: str, tmp_path: Path) -> None:
    study = find_study(name)
    data = load_data(study.data)
    first = [training for training in study.list_trainings(tmp_path) if training.seed == 0]
    chosen = [training.choose() for training in first]
    graphs = [fit_network(spec, data, recipe.data).graph for spec, recipe in chosen]
    kinds = {(graph.digest(), json.dumps(recipe.to_dict())) for graph, (_, recipe) in zip(graphs, chosen, strict=True)}
    assert len(kinds) == len(study.variants), "two variants are the same training"
    assert {recipe.threads for _, recipe in chosen} == {1}
    folders = [training.folder for training in study.list_trainings(tmp_path)]
    assert len(set(folders)) == len(folders) == study.seeds * len(study.variants)


@pytest.mark.parametrize("name", list_studies())
def test_page_says_what_the_results_say(name: str) -> None:
    study = find_study(name)
    page = (study.folder / PAGE).read_text(encoding="utf-8")
    results = json.loads((study.folder / RESULTS).read_text(encoding="utf-8"))
    assert MARKED.search(page)
    assert fill_page(page, results) == page
    assert f"]({CURVES})" in page
    assert f"python -m docs.studies {name}" in page
    assert f"| [{name}]({name}/{PAGE}) | " in (STUDIES / PAGE).read_text(encoding="utf-8")
    assert {row["variant"] for row in results["trainings"]} == set(study.variants)
    assert len(results["trainings"]) == study.seeds * len(study.variants)
    other = json.loads(json.dumps(results))
    other["trainings"][0]["training_loss"] += 0.1
    assert fill_page(page, other) != page


def test_study_runs_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = "spec: resnet_digits, set: ['depths=[1, 1, 1]', 'widths=[2, 2, 2]'"
    variants = f"variants:\n  a: {{{tiny}]}}\n  hot: {{{tiny}, optimizer.lr=1e30]}}\n"
    text = f"data: digits\nrecipe: recipe.yaml\nseeds: 2\n{variants}"
    study = make_study(tmp_path / "small", text, 3)
    trainings = study.list_trainings(tmp_path / "runs")
    outcomes = train_all(trainings, 1, print)
    assert "4 of 4 trainings are to be done" in capsys.readouterr().out
    assert [outcome["stopped"] is None for outcome in outcomes] == [True, True, False, False]
    losses = [RunRecord.read(training.folder).evaluations[-1]["loss"] for training in trainings[:2]]
    assert [outcome["training_loss"] for outcome in outcomes[:2]] == losses
    write_results(study, trainings, outcomes, 1, "")
    page = (study.folder / PAGE).read_text(encoding="utf-8")
    assert f"| a | {sum(losses) / 2:.3f} ({min(losses):.3f}–{max(losses):.3f}) |" in page
    assert "| hot; 2 of 2 stopped | — |" in page
    assert page.endswith("The end.\n")
    assert "a: 3 steps" in (study.folder / CURVES).read_text(encoding="utf-8")
    assert train_all(trainings, 1, print) == outcomes
    assert "0 of 4 trainings are to be done" in capsys.readouterr().out
    other = make_study(tmp_path / "small", text, 4)
    assert read_outcome(other.list_trainings(tmp_path / "runs")[0]) is None, "another training"


def test_networks_vote(tmp_path: Path) -> None:
    variants = "variants:\n  u: {spec: unet_bn, set: ['widths=[2]']}\n"
    study = make_study(tmp_path / "votes", f"data: digit_maps\nrecipe: recipe.yaml\nseeds: 2\nvote: true\n{variants}")
    trainings = study.list_trainings(tmp_path / "runs")
    write_results(study, trainings, train_all(trainings, 1, print), 1, "")
    together = json.loads((study.folder / RESULTS).read_text(encoding="utf-8"))["together"]
    names = ["network 0", "network 1", "mean of the outputs", "most of the networks", "all networks agree"]
    assert [row["answer"] for row in together] == names
    assert (study.folder / VOTES).read_bytes().startswith(b"\x89PNG")


def test_what_is_no_study_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="did you mean 'degradation'"):
        find_study("degradatoin")
    with pytest.raises(ValidationError, match="variant"):
        make_study(tmp_path / "bad", "data: digits\nrecipe: recipe.yaml\nseeds: 1\nvariant: {}\n")
    assert main(["nothing"]) == 1
    assert "no study 'nothing'" in capsys.readouterr().err
    assert main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(list_studies())
