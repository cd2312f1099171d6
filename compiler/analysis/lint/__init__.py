"""Lint finds what compiles, and is probably not meant. Each rule has a code, a reason and a remedy.

A rule looks at the graph, or at the spec as it is written; what it finds is reported once for each place of the spec,
however many nodes were unrolled from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice

from archspec.errors import ArchspecError, suggest
from archspec.spec.codes import Code
from archspec.spec.spec import Spec
from compiler.analysis.analysis_cache import AnalysisCache
from compiler.analysis.lint import attention, hardware, kernels, layers, norms, residuals, signals, space, unused
from compiler.analysis.lint.comments import UNUSED, read_ignores, report_unused, silence
from compiler.analysis.lint.context import LintContext
from compiler.analysis.lint.finding import Finding, Hit, LintRule
from compiler.graph import Graph

MAX_FINDINGS = 1000
"""The largest number of findings that are listed for one network."""

RULES: tuple[LintRule, ...] = (
    *layers.RULES,
    *attention.RULES,
    *norms.RULES,
    *residuals.RULES,
    *signals.RULES,
    *space.RULES,
    *kernels.RULES,
    *hardware.RULES,
    *unused.RULES,
)
CODES: dict[str, Code] = {code.code: code for code in (*RULES, UNUSED)}
"""The codes that a finding may have."""

__all__ = [
    "CODES",
    "MAX_FINDINGS",
    "RULES",
    "Finding",
    "Hit",
    "LintContext",
    "LintRule",
    "choose_codes",
    "lint_graph",
    "look_over",
]


def lint_graph(
    graph: Graph, spec: Spec | None = None, *, select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """List what the rules find in a graph, in the order of places; at most `MAX_FINDINGS`.

    With the spec that it was made of, names that are written there and not used are found too, and its comments silence
    findings. Without, a place says little: messages begin with the name of a node. `select` and `ignore` choose codes:
    see `choose_codes`. Raises ArchspecError where one of them is no code.
    """
    return look_over(LintContext(AnalysisCache(graph), spec), select=select, ignore=ignore)


def look_over(context: LintContext, *, select: Sequence[str] = (), ignore: Sequence[str] = ()) -> tuple[Finding, ...]:
    """Do as `lint_graph` for a graph of which more may be known already."""
    codes, spec = choose_codes(select, ignore), context.spec
    found = [finding for rule in RULES if rule.code in codes for finding in rule.find(context)]
    if spec is None:
        found = list(map(_name_node, found))
    else:
        ignores = read_ignores(spec.comments)
        found, used = silence(found, ignores)
        if UNUSED.code in codes:
            left = (each for each in ignores if each not in used)
            found += islice(report_unused(left, CODES, codes, spec.file), MAX_FINDINGS)
    return tuple(sorted(found, key=lambda finding: (finding.place, finding.code, finding.message))[:MAX_FINDINGS])


def _name_node(finding: Finding) -> Finding:
    return replace(finding, message=f"{finding.nodes[0]}: {finding.message}")


def choose_codes(select: Sequence[str] = (), ignore: Sequence[str] = ()) -> frozenset[str]:
    """Choose the codes to look for: those that are selected (all unless some are), without those that are ignored. The
    first words of a code stand for all codes that start with them: `unused` for `unused-param`, `unused-tap`, …"""
    return _matching(select or CODES) - _matching(ignore)


def _matching(given: Iterable[str]) -> frozenset[str]:
    chosen: set[str] = set()
    for word in given:
        codes = [code for code in CODES if code == word or code.startswith(f"{word}-")]
        if not codes:
            raise ArchspecError(
                f"no rule has the code '{word}'{suggest(word, CODES) or '; `archspec explain` lists them'}"
            )
        chosen.update(codes)
    return frozenset(chosen)
