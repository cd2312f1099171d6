"""Dispatch on an operation's exact type, for the targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from archspec.errors import ArchspecError, InputError, tell_value
from archspec.ops import Op

Rule = TypeVar("Rule", bound=Callable[..., object])


class RuleTable(Generic[Rule]):
    """Rules by operation. It refuses a second rule for one operation, and names the operation that has none; an
    operation that is a caller's own may bring its rule along, as the method of this name."""

    def __init__(self, target: str, method: str = "") -> None:
        self.target, self.method = target, method
        self._rules: dict[type[Op], Rule] = {}

    def rule(self, *ops: type[Op]) -> Callable[[Rule], Rule]:
        """A decorator that enters a rule for each of `ops`."""

        def enter(rule: Rule) -> Rule:
            for op in ops:
                if op in self._rules:
                    raise InputError(f"{self.target} has two rules for {op.kind}")
                self._rules[op] = rule
            return rule

        return enter

    def extended(self, rules: Mapping[type[Op], Rule]) -> RuleTable[Rule]:
        """A copy with the rules of a caller's own operations. Raises InputError where they are none."""
        if not _are_rules(rules):
            raise InputError(f"rules are functions by the classes of operations, found {tell_value(rules)}")
        table: RuleTable[Rule] = RuleTable(self.target, self.method)
        table._rules = dict(self._rules)
        for op, rule in rules.items():
            table.rule(op)(rule)
        return table

    def __getitem__(self, op: type[Op]) -> Rule:
        rule: Rule | None = self._rules.get(op) or (getattr(op, self.method, None) if self.method else None)
        if rule is None:
            remedy = "give one in `rules`" + (f", or its class a method `{self.method}`" if self.method else "")
            raise ArchspecError(f"{self.target} has no rule for {op.kind}; {remedy}")
        return rule

    def __contains__(self, op: object) -> bool:
        return op in self._rules

    def __iter__(self) -> Iterator[type[Op]]:
        return iter(self._rules)


def _are_rules(given: object) -> bool:
    return isinstance(given, Mapping) and all(
        isinstance(op, type) and issubclass(op, Op) and callable(rule) for op, rule in given.items()
    )
