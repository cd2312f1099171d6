"""The report: what `analyze --json` prints, whose keys scripts depend on."""

from __future__ import annotations

import json

import pytest

from archspec.api import analyze, elaborate, load
from archspec.errors import InputError
from compiler.analysis.report import PARTS

ALWAYS = {
    *("name", "sizes", "inputs", "outputs", "parameters", "macs", "activations", "paths"),
    *("operations", "stages", "blocks", "marks"),
}


def test_only_what_is_asked_for_is_there() -> None:
    graph = elaborate(load("se_net"))
    for part in (None, *PARTS):
        report = analyze(graph, wanted=[part] if part else [])
        assert [name for name in PARTS if getattr(report, name) is not None] == ([part] if part else [])
        assert part is None or part in report.to_dict()
        assert report.to_dict().keys() >= ALWAYS


def test_all_answers_are_strict_json_of_these_keys() -> None:
    report = analyze(elaborate(load("resnet18")), wanted=PARTS, by_length=True)
    found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert found.keys() == {*ALWAYS, *PARTS, "variance_summary"}
    assert found["receptive_field"]["size"] == [435, 435]  # torchvision's, as Araujo et al. (2019) have it
    assert found["receptive_field"]["stride"] == [32, 32]
    assert {"inference_peak_bytes", "training_saved_bytes"} <= found["memory"].keys()
    assert {"node", "mean", "second_moment"} <= found["variance"][0].keys()
    assert found["paths"]["block"]["by_length"]["0"] == 1


@pytest.mark.parametrize(
    ("wanted", "said"), [(["linting"], "did you mean 'lint'"), (["xyz"], "there are receptive_field")]
)
def test_an_unknown_part_is_refused(wanted: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        analyze(elaborate(load("mlp")), wanted=wanted)
