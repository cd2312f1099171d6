"""Runs as training leaves them, written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def format_run(*, epochs: int = 3, rate: float = 0.1, end: bool = True, metric: str = "accuracy") -> str:
    """The metrics of ten steps an epoch, whose loss halves with each epoch, and whose second evaluation is its best."""
    rows: list[dict[str, Any]] = []
    for step in range(1, 10 * epochs + 1):
        epoch, loss = -(-step // 10), 2.0 * 0.5 ** (step / 10)
        figures = {"loss": loss, "learning_rate": rate, "gradient_norm": loss / 2, "update_ratio": 1e-3}
        rows.append(
            {"kind": "step", "step": step, "epoch": epoch, **figures, "samples_per_second": 100.0, "seconds": step / 2}
        )
        if step % 10 == 0:
            measured = {
                "validation_images": 50,
                "validation_loss": loss,
                f"validation_{metric}": 0.7 + 0.1 * (epoch == 2),
            }
            row = {"kind": "evaluation", "step": step, "epoch": epoch, "loss": loss, metric: 0.6, **measured}
            rows.append(row | {"learning_rate": rate, "best": epoch <= 2})
    if end:
        score = {"test_images": 80, "test_loss": 0.5, f"test_{metric}": 0.75}
        rows.append({"kind": "end", "step": 10 * epochs, "epoch": epochs, "best": 20, "seconds": 15.0, **score})
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_run(folder: Path, *, rate: float = 0.1, end: bool = True, metric: str = "accuracy") -> Path:
    """The folder of such a run."""
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text(format_run(rate=rate, end=end, metric=metric), encoding="utf-8")
    (folder / "spec.yaml").write_text("archspec: 1\nname: small\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text(
        f"recipe: 1\noptimizer: {{name: sgd, lr: {rate}}}\nema: null\n", encoding="utf-8"
    )
    return folder
