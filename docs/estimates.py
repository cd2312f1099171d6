"""Measures how far predicted second moments are from measured ones, over the zoo at small sizes and networks at random,
and writes `compiler/analysis/signal/estimates.json` and the table of `docs/analysis/estimates.md`.

    python docs/estimates.py            measure and write, some minutes of one core
    python docs/estimates.py --table    write the table of what is measured already
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from archspec.api import elaborate, load  # noqa: E402  (found by the line above)
from compiler.analysis.cost.cost import measure_cost  # noqa: E402
from compiler.analysis.signal.doubts import DEPTHS, DOUBTS, MEASURED, in_digits, name_depth  # noqa: E402
from compiler.analysis.signal.signal import predict_signal  # noqa: E402
from compiler.graph import Graph  # noqa: E402
from runtime.experiments.signal import measure_signal  # noqa: E402
from tests.differential.starts import make_start  # noqa: E402
from tests.support.documents import graph_from  # noqa: E402
from tests.zoo.rows import ROWS, Row  # noqa: E402

PAGE = ROOT / "docs" / "analysis" / "estimates.md"
SEEDS = range(160)
DRAWS = 4
WORK = 3_000_000_000
"""Multiply-accumulates of all forward passes through one network."""
VALUES = 1 << 27
"""Numbers in one batch."""
BATCHES = 16, 256
SMALL = {8: 16, 32: 64}
"""Sides that the tests of the zoo take, and those taken here: less is border."""
LEFT_OUT = {"unet", "unet3d", "vnet", "resnet110_stochastic_depth"}
"""The networks that take minutes at any size; and where chance decides once for a whole batch, of which four draws say
little."""


class Number(NamedTuple):
    """A predicted number held against a measured one: `factor` is at least one, infinite where one alone is zero."""

    network: str
    node: str
    of: str
    doubts: tuple[str, ...]
    depth: str
    factor: float


def compare(graph: Graph, seed: int = 0) -> Iterator[Number]:
    """All second moments of values and gradients that the prediction has, against the mean of some draws."""
    signal, cost = predict_signal(graph), measure_cost(graph)
    least, most = BATCHES
    batch = max(least, min(most, WORK // DRAWS // max(1, cost.macs["conv-linear"])))
    batch = max(2, min(batch, VALUES // sum(node.shape.elements for node in graph)))
    measured, depth = measure_signal(graph, seed=seed, batch=batch, repeats=DRAWS), name_depth(signal.layers)
    for node, found in zip(signal.nodes, measured.nodes, strict=True):
        pairs = {
            "values": (node.doubts, node.second_moment, found.second_moment),
            "gradients": (node.gradient_doubts, node.gradient_second_moment, found.gradient_second_moment),
        }
        for of, (doubts, predicted, number) in pairs.items():
            given = of == "values" and node.kind == "input"
            if predicted is not None and isfinite(number) and not given:
                yield Number(graph.name, node.id, of, doubts, depth, tell_apart(predicted, number))


def tell_apart(predicted: float, measured: float) -> float:
    """Tell by what factor two numbers differ."""
    low, high = sorted((predicted, measured))
    return 1.0 if high == 0 else high / low if low > 0 else float("inf")


def draw_random(seed: int) -> Graph:
    return graph_from(make_start(seed))


def shrink_zoo(row: Row) -> Graph:
    """A network of the zoo at small sizes."""
    small = dict(row.small)
    params = small.pop("params", {})
    sizes = {axis: SMALL.get(size, size) if row.sizes[axis] > size else size for axis, size in small.items()}
    return elaborate(load(row.name, params), {axis: min(size, row.sizes[axis]) for axis, size in sizes.items()})


def compare_all() -> Iterator[Number]:
    for name in sorted(ROWS.keys() - LEFT_OUT):
        print(name, file=sys.stderr, flush=True)
        yield from compare(shrink_zoo(ROWS[name]))
    for seed in SEEDS:
        print(f"seed {seed}", file=sys.stderr, flush=True)
        yield from compare(draw_random(seed), seed)


def summarize(numbers: Iterable[Number]) -> dict[str, Any]:
    """Count the numbers, and tell, for each doubt, side and depth how many numbers there are, and by what factor they
    are off: half of them, nine in ten, and all. A number counts under each of its doubts."""
    factors: dict[str, list[float]] = defaultdict(list)
    networks = set()
    for number in numbers:
        networks.add(number.network)
        for doubt in number.doubts or ("law",):
            factors[f"{doubt}, {number.of}, {number.depth}"].append(number.factor)
    rows = {key: _describe(sorted(found)) for key, found in sorted(factors.items())}
    return {"networks": len(networks), "rows": rows}


def _describe(found: Sequence[float]) -> dict[str, float]:
    at = {"half": 0.5, "most": 0.9, "worst": 1.0}
    places = {name: min(len(found) - 1, int(share * len(found))) for name, share in at.items()}
    return {"numbers": len(found)} | {name: float(f"{found[place]:.3g}") for name, place in places.items()}


def render(report: Mapping[str, Any]) -> str:
    """The table in Markdown: for each doubt a row, with numbers · half · 90 % · worst for each depth."""
    depths = [name_depth(layers) for layers in (*DEPTHS, DEPTHS[-1] + 1)]
    lines = [
        "| mark | of | " + " | ".join(f"{depth} layers" for depth in depths) + " |",
        "|---" * (2 + len(depths)) + "|",
    ]
    for doubt in ("law", *DOUBTS):
        for of in ("values", "gradients"):
            rows = [report["rows"].get(f"{doubt}, {of}, {depth}") for depth in depths]
            if any(rows):
                name = "none" if doubt == "law" else f"`{doubt}`"
                lines.append(f"| {name} | {of} | " + " | ".join(_cell(row) for row in rows) + " |")
    return "\n".join(lines)


def _cell(row: Mapping[str, float] | None) -> str:
    if row is None:
        return ""
    half, most, worst = (in_digits(row[name]) for name in ("half", "most", "worst"))
    return f"{half} · {most} · {worst} of {row['numbers']:,}"


def write_table(report: Mapping[str, Any]) -> None:
    head, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- table -->")
    tail = rest.partition("<!-- end of table -->")[2]
    PAGE.write_text(f"{head}<!-- table -->\n{render(report)}\n<!-- end of table -->{tail}", encoding="utf-8")


if __name__ == "__main__":
    if "--table" not in sys.argv[1:]:
        MEASURED.write_text(json.dumps(summarize(compare_all()), indent=1) + "\n", encoding="utf-8")
    write_table(json.loads(MEASURED.read_text(encoding="utf-8")))
