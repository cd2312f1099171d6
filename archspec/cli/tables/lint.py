"""Tables of what lint's rules found, and of what codes mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console

from archspec.cli.tables.console import console, new_table
from archspec.cli.tables.excerpts import print_messages
from archspec.cli.tables.grid import words
from archspec.errors import Diagnostic
from archspec.file_types import is_onnx
from archspec.spec.codes import Code
from archspec.wording import cut_middle, tell_count
from compiler.analysis.lint import CODES, Finding
from compiler.analysis.unknown import tell_unknown


def print_findings(
    found: Iterable[tuple[str, Sequence[Diagnostic | Finding]]], unknown: Mapping[str, Mapping[str, int]]
) -> None:
    """Print the findings of several specs, or their mistakes: `file:line:column: ` and what is there on one line each,
    which editors and scripts can read. `unknown` are by spec the operations that no rule knows."""
    out = console()
    mistakes = total = of_specs = 0
    for name, findings in found:
        mistakes += sum(isinstance(each, Diagnostic) for each in findings)
        total += len(findings)
        of_specs += 0 if is_onnx(name) else len(findings)
        print_messages(findings, out)
        kinds = tell_unknown(unknown.get(name, {}))
        if kinds:
            print(f"{cut_middle(name)}: no rule knows of unknown operations: {cut_middle(kinds)}")
        if not findings:
            print(f"{cut_middle(name)}: nothing found in the rest" if kinds else f"{cut_middle(name)}: ok")
    if mistakes:
        print(f"\n{tell_count(mistakes, 'mistake')}; `archspec explain CODE` says what is meant")
    if total > mistakes:
        comment = (
            ", `# archspec: ignore[CODE]` silences one" if of_specs > mistakes else ", `--ignore CODE` leaves it out"
        )
        print(f"\n{tell_count(total - mistakes, 'finding')}; `archspec explain CODE` says why{comment}")


def print_lint(findings: Sequence[Finding], out: Console) -> None:
    """Print the findings as a part of a report."""
    out.print(f"\nlint: {tell_count(len(findings), 'finding') if findings else 'nothing found'}", style="bold")
    print_messages(findings, out)


def print_codes(codes: Mapping[str, Code]) -> None:
    """Print all codes with their meanings: those of mistakes, then those of findings."""
    out = console()
    for title, chosen in (
        ("mistakes, which `archspec check` reports", [code for code in codes.values() if code.code not in CODES]),
        ("findings, which `archspec lint` reports", [*CODES.values()]),
    ):
        table = new_table("code", words(title))
        for code in sorted(chosen, key=lambda code: code.code):
            table.add_row(code.code, code.summary)
        out.print(table)
        out.print()


def print_code(code: Code) -> None:
    """Print all that is said of one code."""
    out = console()
    out.print(code.code, style="bold cyan")
    out.print(f"{code.summary[0].upper()}{code.summary[1:]}.")
    if code.explanation:
        out.print(f"\n{code.explanation}")
    out.print(f"\nWhat to do: {code.remedy}.")
    if code.code in CODES:
        out.print(f"\nTo silence it where it is meant: # archspec: ignore[{code.code}]", style="dim")
