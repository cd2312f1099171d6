"""The signal at initialization: predicted, measured, and under other choices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import log
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from archspec.cli.tables.console import new_table
from archspec.cli.tables.grid import Column, words
from archspec.ops import OPS
from archspec.ops.signal.moments import Doubt
from compiler.analysis.signal.choice_effects import ChoiceEffect
from compiler.analysis.signal.doubts import explain, how_far, name_depth
from compiler.analysis.signal.growth_law import Growth
from compiler.analysis.signal.signal import Exit, NodeSignal, Signal

if TYPE_CHECKING:
    from runtime.experiments.signal import MeasuredNode, MeasuredSignal

BAR = 16
"""The length of the longest bar, in characters."""
EIGHTHS = " ▏▎▍▌▋▊▉█"
PREDICTED = ("mean", "second moment", "gradient's")
MEASURED = ("mean", "measured", "second moment", "measured", "ratio", "gradient's", "measured", "ratio")
KERNELS = {op.kind for op in OPS if op.has_kernel}
JOINTS = {op.kind for op in OPS if op.joins}
EXITS = {
    "overflow": "values leave fp16 (65,504, at six standard deviations)",
    "underflow": "values vanish in fp16 (root mean square below 2⁻²⁴)",
    "gradient_overflow": "gradients leave fp16, where they are 1 at the outputs",
    "gradient_underflow": "gradients vanish in fp16, where they are 1 at the outputs",
}


def print_signal(signal: Signal, measured: MeasuredSignal | None, out: Console, *, every: bool = False) -> None:
    """Print a row for each block and merge, and for the ends; with `every`, for each node."""
    rows = signal.nodes if every else _choose_rows(signal)
    found = {node.id: node for node in measured.nodes} if measured else {}
    bars = _draw_bars([node.second_moment for node in rows])
    columns = MEASURED if measured else (*PREDICTED, Column("growth", "bar", "cyan"))
    table = new_table("node", *columns)
    for node, bar in zip(rows, bars, strict=True):
        cells = _compare(node, found[node.id]) if found else [*_predict(node), bar]
        table.add_row(node.id, *cells)
    out.print("\nsignal at initialization, in training, for standard normal inputs and output gradients", style="bold")
    out.print(table)
    if measured:
        out.print(f"measured: {measured.repeats} draws of all weights, batches of {measured.batch}", style="dim")
    if not measured:
        out.print("growth: second moment, on a logarithmic scale", style="dim")
    for growth in signal.growth:
        out.print(_describe_growth(growth))
    _print_exits(signal, out)
    values = {doubt for node in rows for doubt in node.doubts}
    gradients = {doubt for node in rows for doubt in node.gradient_doubts}
    _print_doubts({"values": values, "gradients": gradients}, signal.layers, out)


def print_choices(what: str, choices: Sequence[ChoiceEffect], out: Console) -> None:
    """Print what each choice does to the whole network."""
    columns = ("second moment at the end", "largest", "gradient, first block / last", "fp16 overflows")
    table = new_table(what, *columns, words())
    for choice in choices:
        if choice.problem:
            table.add_row(choice.word, *[""] * len(columns), Text(choice.problem, style="dim"))
            continue
        values = (
            _number(choice.final, bool(choice.final_doubts)),
            _number(choice.largest, bool(choice.largest_doubts)),
            _number(choice.gradient, bool(choice.gradient_doubts)),
        )
        mark = "~" if choice.overflow_doubts else ""
        table.add_row(choice.word, *values, f"{mark}{choice.overflow}" if choice.overflow else "no")
    out.print(f"\nsignal at initialization by {what}, second moments", style="bold")
    out.print(table)
    doubts = {
        "values": {doubt for choice in choices for doubt in (*choice.final_doubts, *choice.largest_doubts)},
        "gradients": {doubt for choice in choices for doubt in choice.gradient_doubts},
    }
    _print_doubts(doubts, max(choice.layers for choice in choices), out)


def _print_doubts(doubts: Mapping[str, Collection[Doubt]], layers: int, out: Console) -> None:
    """Print what the numbers without a mark are, and of those with one why, and how far off such numbers were found."""
    depth = name_depth(layers)
    laws = "; ".join(f"{of} {how_far(None, of, depth) or 'not measured'}" for of in doubts)
    out.print(f"how far off, in measured networks of {depth} layers with weights:", style="dim")
    out.print(f"no mark: the law for wide layers; {laws}", style="dim")
    for line in explain(doubts, layers):
        out.print(f"~ {line}", style="dim")


def _choose_rows(signal: Signal) -> list[NodeSignal]:
    """The ends, and between them blocks and other merges, or layers where there are none."""
    merges = {node.id for node in signal.nodes if node.kind in JOINTS and _scope(node.id) not in signal.blocks}
    wanted = merges | set(signal.blocks.values()) or {node.id for node in signal.nodes if node.kind in KERNELS}
    last = len(signal.nodes) - 1
    return [node for i, node in enumerate(signal.nodes) if node.id in wanted or node.kind == "input" or i == last]


def _scope(id: str) -> str:
    return id.rpartition(".")[0]


def _predict(node: NodeSignal) -> list[str]:
    return [
        _number(node.mean, node.estimate),
        _number(node.second_moment, node.estimate),
        _number(node.gradient_second_moment, node.gradient_estimate),
    ]


def _compare(node: NodeSignal, measured: MeasuredNode) -> list[str]:
    mean, second, gradient = _predict(node)
    forward, back = measured.second_moment, measured.gradient_second_moment
    cells = [mean, f"{measured.mean:.4g}", second, f"{forward:.4g}", _ratio(node.second_moment, forward)]
    return [*cells, gradient, f"{back:.4g}", _ratio(node.gradient_second_moment, back)]


def _number(value: float | None, estimate: bool) -> str:
    if value is None:
        return "unknown"
    return f"{'~' if estimate else ''}{value:.4g}"


def _ratio(predicted: float | None, measured: float) -> str:
    if predicted is None or not measured or measured != measured:
        return ""
    return f"{predicted / measured:.2f}"


def _draw_bars(values: Sequence[float | None]) -> list[str]:
    """A bar for each second moment, by its logarithm between the smallest and the largest; none for zero."""
    logs = [log(value) if value else None for value in values]
    known = [value for value in logs if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    return ["" if value is None else _bar((value - low) / (high - low) if high > low else 1.0) for value in logs]


def _bar(share: float) -> str:
    eighths = max(1, round(share * BAR * 8))
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _describe_growth(growth: Growth) -> str:
    rates = {
        "steady": "stays",
        "linear": f"grows by {growth.rate:.3g} a block",
        "exponential": f"times {growth.rate:.3g} a block",
    }
    where = f"{growth.blocks} blocks, {growth.first} to {growth.last}"
    mark = "~ " if growth.doubts else ""
    return f"{mark}second moment {rates[growth.law]}, within {growth.error:.1%}: {where}"


def _print_exits(signal: Signal, out: Console) -> None:
    found: dict[str, Exit | None] = {name: getattr(signal, name) for name in EXITS}
    for name, exit in found.items():
        if exit:
            block = f", in the block {exit.block}" if exit.block else ""
            where = f"first at {exit.node}{block}: second moment {exit.second_moment:.4g}"
            out.print(f"{'~ ' if exit.doubts else ''}{EXITS[name]} {where}")
    if not any(found.values()):
        out.print("values and gradients stay within fp16")
