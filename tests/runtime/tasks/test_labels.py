"""The scores of labels, against scikit-learn's and torchmetrics', and probabilities against torch's softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, precision_score, recall_score

from compiler.onnx_file.metadata import OUTPUT, SHARES
from runtime.pictures.frame import Frame
from runtime.tasks.grid import OutputGrid
from runtime.tasks.labels import Labels, softmax
from runtime.tasks.task import AnswerInput
from tests.support.torchmetrics_witness import import_torchmetrics

LABELS = Labels()
NOWHERE = OutputGrid((), ())
GENERATOR = np.random.default_rng(0)


def test_labels() -> None:
    logits, labels = GENERATOR.standard_normal((20, 4)).astype(np.float32), GENERATOR.integers(0, 4, 20)
    grid = LABELS.place((1, 8, 8), (4,))
    answers = LABELS.decide(logits, grid)
    halves = [LABELS.count(answers[part], labels[part], grid) for part in (slice(7), slice(7, None))]
    assert LABELS.score(halves[0] + halves[1]) == {"accuracy": accuracy_score(labels, answers)}
    assert LABELS.count_equal(answers, answers) == (20, 20)
    assert LABELS.count_equal(answers, (answers + 1) % 4) == (0, 20)


@pytest.mark.parametrize("classes", [3, 19, 20, 40])
def test_outputs_are_counted_by_class(classes: int) -> None:
    """The witnesses are scikit-learn and torchmetrics; batches add up. The last class is nowhere asked."""
    logits = GENERATOR.standard_normal((200, classes)).astype(np.float32)
    labels = GENERATOR.integers(0, classes - 1, 200)
    logits[np.arange(200), labels] += 1
    parts = [LABELS.count_output(logits[part], labels[part], NOWHERE) for part in (slice(7), slice(7, None))]
    counts = parts[0] + parts[1]
    scores = LABELS.score(counts)
    assert scores["accuracy"] == accuracy_score(labels, logits.argmax(1))
    assert ("top5_accuracy" in scores) == (classes >= 20)
    if classes >= 20:
        witness = import_torchmetrics("functional").accuracy
        for ranks, same in ((5, True), (4, False)):
            found = witness(
                torch.from_numpy(logits),
                torch.from_numpy(labels),
                task="multiclass",
                num_classes=classes,
                top_k=ranks,
                average="micro",
            )
            assert (scores["top5_accuracy"] == pytest.approx(float(found), abs=1e-6)) == same
    rows = LABELS.score_classes(counts, [f"class {number}" for number in range(classes)])
    options: dict[str, Any] = {"labels": range(classes), "average": None, "zero_division": np.nan}
    for name, compute in (("recall", recall_score), ("precision", precision_score)):
        expected = compute(labels, logits.argmax(1), **options)
        found = [np.nan if (score := row.scores[name]) is None else score for row in rows]
        assert np.allclose(found, expected, equal_nan=True)
    assert rows[-1].scores["recall"] is None
    assert [row.asked for row in rows] == np.bincount(labels, minlength=classes).tolist()


def test_what_is_no_number_is_not_among_the_likeliest() -> None:
    logits = np.full((1, 20), np.nan, np.float32)
    logits[0, :5] = 0
    assert LABELS.score(LABELS.count_output(logits, np.array([7]), NOWHERE))["top5_accuracy"] == 0
    assert LABELS.score(LABELS.count_output(logits, np.array([4]), NOWHERE))["top5_accuracy"] == 1


def test_mixed_labels_are_taken_for_the_heavier() -> None:
    shares = np.array([[0.7, 0.3, 0], [0, 0.2, 0.8]], np.float32)
    assert LABELS.count(np.array([0, 1]), shares, NOWHERE).tolist() == [1, 2]
    assert LABELS.count_output(shares, shares, NOWHERE)[0].tolist() == [1, 0, 1]


def test_an_image_has_one_class() -> None:
    found, times = LABELS.count_classes(np.array(3))
    assert (found.tolist(), times.tolist()) == ([3], [1])


def test_the_likeliest_are_ranked() -> None:
    logits = np.array([[0.1, 2.0, -1.0], [3.0, 3.0, 0.0]], np.float32)
    witness = torch.softmax(torch.from_numpy(logits).double(), 1).numpy()
    frames = [Frame.whole((8, 8))] * 2
    given = AnswerInput(("a", "b"), frames, logits, OutputGrid((), ()), ("x", "y", "z"), {}, 2)
    first, second = LABELS.answer(given)
    assert (first.path, first.label, first.index, first.array.tolist()) == ("a", "y", 1, 1)
    assert [name for name, _ in first.top] == ["y", "x"]
    assert np.allclose([share for _, share in first.top], witness[0, [1, 0]], rtol=1e-12)
    assert (second.label, [name for name, _ in second.top]) == ("x", ["x", "y"])  # of equal ones the first
    shares = AnswerInput(("a",), frames[:1], witness[:1], OutputGrid((), ()), ("x", "y", "z"), {OUTPUT: SHARES}, 1)
    (kept,) = LABELS.answer(shares)
    assert kept.probability == witness[0, 1]  # a softmax of shares would be nearer to a third


def test_softmax_is_torchs_also_of_large_numbers() -> None:
    logits = GENERATOR.standard_normal((2, 5, 3, 3)) * 1e3
    assert np.allclose(softmax(logits), torch.softmax(torch.from_numpy(logits), 1).numpy(), rtol=1e-12)
    assert not np.allclose(softmax(logits), torch.softmax(torch.from_numpy(logits), 2).numpy())


def test_the_first_of_each_class_is_a_sample() -> None:
    assert LABELS.choose_samples(np.array([2, 0, 2, 0]), ("a", "b", "c"), 1) == {1: "a", 0: "c"}
