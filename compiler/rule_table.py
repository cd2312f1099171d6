"""Dispatch on an operation's exact type, for the targets; and by name, where nothing may be imported for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from archspec.errors import ArchspecError, InputError, tell_value
from archspec.ops import Op

HOME = "archspec.ops."
"""The package of the classes that have rules by name; a caller's class may have any name."""
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


class NamedRules(Generic[Rule]):
    """Rules by the names of operations' classes, which are not imported for their rules; one holds for what derives
    from its class, too."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}
        self._found: dict[type[Op], Rule] = {}

    def rule(self, name: str) -> Callable[[Rule], Rule]:
        """A decorator that enters the rule of the class with this name."""

        def enter(rule: Rule) -> Rule:
            self._rules[name] = rule
            return rule

        return enter

    def find(self, op: type[Op]) -> Rule:
        """Find the rule of an operation: its own, or the nearest of what it derives from."""
        if op not in self._found:
            names = [base.__name__ for base in op.__mro__ if base.__module__.startswith(HOME)]
            self._found[op] = next(self._rules[name] for name in names if name in self._rules)
        return self._found[op]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)


def _are_rules(given: object) -> bool:
    return isinstance(given, Mapping) and all(
        isinstance(op, type) and issubclass(op, Op) and callable(rule) for op, rule in given.items()
    )
