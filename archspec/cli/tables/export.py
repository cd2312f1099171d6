"""The report of an export."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from archspec.cli.output import tell
from archspec.cli.tables.console import console, new_table
from archspec.wording import shorten_count, tell_count
from compiler.analysis.cost.cost import measure_cost
from compiler.onnx_file.metadata import COMBINE, MEMBERS, PRECISION
from runtime.verification.differences import LIMITS

if TYPE_CHECKING:
    from runtime.export.export import Export
    from runtime.int8.quantization_loss import OutputLoss, QuantizationLoss
    from runtime.int8.quantize import Quantization
    from runtime.verification.proof.proof import Proof

MAX_NAMES = 3
"""The largest number of names that are printed where many have the same fate; --json has all."""

ID = re.compile(r"\b(?:\w+\.)+([a-z_]*[a-z])(?:_\d+)?\b|\b([a-z_]*[a-z])_\d+\b")
"""The form of a node's id, whose group is its last part without the number."""

NUMBER = re.compile(r"\d+")


def print_export(export: Export, accepted: Mapping[str, str], *, trained: bool) -> None:
    """Print the file, what it takes, and how it was proven."""
    facts = export.model.metadata
    notice = "" if trained else ", with fresh weights: it has not been trained"
    tell(f"wrote {export.path}: {export.bytes:,} bytes, {PRECISION.read(facts)}{notice}")
    for companion in export.files[1:]:
        tell(f"  its weights lie beside it, in {companion.name}: move both together")
    if COMBINE in facts:
        tell(f"  {COMBINE.read(facts)} of {MEMBERS.read(facts)} members")
    for name, rule in accepted.items():
        tell(f"  {name}: {rule}")
    if export.proof:
        what = "the float model: " if export.quantization else ""
        for case in export.proof.cases:
            tell(f"  {what}{case}")
        tell(f"  {_tell_limit(export.proof, facts)}")
    else:
        tell("  not proven: --no-verify")
    if export.quantization:
        _print_quantization(export.quantization)
    if export.optimized:
        tell(f"  for this processor and this ONNX Runtime: {export.optimized.name}, which a Session here loads instead")


def _tell_limit(proof: Proof, facts: Mapping[str, str]) -> str:
    """Tell of what the differences of a proof are parts, and how large they may be."""
    if COMBINE.read(facts) == "vote":
        return f"differences are shares of the positions, of which {LIMITS[proof.dtype].flips:g} may have another vote"
    return f"differences are parts of an output's largest value, of which {proof.tolerance:g} is allowed"


METRICS = {"r2": "R², since agreement says nothing of one number,"}
"""The words for metrics that are not printed by their names."""


def _print_quantization(found: Quantization) -> None:
    loss = found.loss
    whole = "" if found.cut or found.method == "minmax" else f": whole, since what {found.method} cuts off loses more"
    tell(f"  {found.recipe}, ranges by {found.method} from {tell_count(found.images, 'image')} of {found.data}{whole}")
    if not loss.outputs:
        tell("  what int8 loses was not measured: --data SOURCE gives images for that")
    for output in loss.outputs:
        tell(f"  {_tell_loss(output, loss)}")
    floats = f", in float: {', '.join(found.kept)}" if found.kept else ""
    tell(f"  {found.layers or 'no'} layers in int8{floats}" + ("" if found.layers else ": the budget allows none"))
    for note in found.notes:
        tell(f"  note: {note}")
    if found.errors:
        table = new_table("layer", "error alone", "stays float")
        for item in found.errors:
            table.add_row(item.layer, f"{item.error:.2%}", "yes" if item.kept else "")
        console().print(table)


def _tell_loss(output: OutputLoss, loss: QuantizationLoss) -> str:
    where = f"output '{output.output}': " if len(loss.outputs) > 1 else ""
    metric = METRICS.get(output.metric, output.metric.replace("_", " "))
    text = f"{where}{metric} on {tell_count(loss.images, 'image')} {loss.judged}: "
    change = (
        f"{output.drop:+.4f}, lower is better" if output.lower_is_better else f"{0.0 - 100 * output.drop:+.2f} points"
    )
    text += f"{output.before:.4f} → {output.after:.4f} ({change})"
    if output.sqnr_db is not None:
        text += f"; signal to noise {output.sqnr_db:.1f} dB"
        parts = [found for found in output.parts_db if found is not None]
        if parts:
            text += f" ({min(parts):.1f} to {max(parts):.1f} in {len(output.parts_db)} parts)"
        if output.channels == 1:
            text += f", a relative error of {output.relative_error:.2g}"
    if output.worst is not None and output.channels > 1:
        name = f" ({output.worst.name})" if output.worst.name else ""
        text += f", of its worst channel, {output.worst.channel}{name}, {output.worst.sqnr_db:.1f} dB"
    return text


def print_explanation(export: Export) -> None:
    """Print what each pass did and had to leave, and the nodes off the fast path; alike ones together."""
    from compiler.onnx_target.fast_path import find_slow_nodes

    out = console()
    for step in export.model.steps:
        if step.done or step.left:
            out.print(f"\n{step.name}", style="bold")
            out.print(f"  {step.rule}", style="dim")
            for line in _fold((note.text, note.node) for note in step.done):
                out.print(f"  {line}")
            for line in _fold((f"left: {note.text}", note.node) for note in step.left):
                out.print(f"  {line}")
    idle = [step.name for step in export.model.steps if not step.done and not step.left]
    if idle:
        out.print(f"\nnothing to do for: {', '.join(idle)}")
    slow = find_slow_nodes(export.model.graph)
    if not slow:
        out.print("\nall of it stays on the fast path of ONNX Runtime's CPU provider")
        return
    out.print("\noff the fast path of ONNX Runtime's CPU provider", style="bold")
    for line in _fold((f"{node.kind}: {node.reason}", node.node) for node in slow):
        out.print(f"  {line}")
    macs = sum(node.macs for node in slow)
    if macs:
        of = measure_cost(export.model.graph).macs["conv-linear"]
        out.print(f"  together {shorten_count(macs)} of {shorten_count(of)} MACs")


def _fold(notes: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A line for all notes that differ in numbers alone, as those of repeated blocks do: how many, what is said, and of
    which nodes."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for text, node in notes:
        short = ID.sub(lambda found: found[1] or found[2], text)
        kinds.setdefault(NUMBER.sub("*", short), []).append((short, NUMBER.sub("*", node)))
    for kind, found in kinds.items():
        spans = zip(*(map(int, NUMBER.findall(text)) for text, _ in found), strict=True)
        said = kind.replace("*", "{}").format(*(_span(min(span), max(span)) for span in spans))
        names = list(dict.fromkeys(name for _, name in found))
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        yield f"{len(found)} × {said}: {', '.join(names[:MAX_NAMES])}{more}"


def _span(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least}…{most}"
