"""Tables of rules by operation: one rule each, and a name for what has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from archspec.errors import ArchspecError, InputError
from archspec.ops import Elu, Layer, Op, Relu, Shape, Tanh
from compiler.rule_table import NamedRules, RuleTable


def make_table() -> RuleTable[Callable[[], str]]:
    table: RuleTable[Callable[[], str]] = RuleTable("paper")

    @table.rule(Relu, Elu)
    def bend() -> str:
        return "bend"

    return table


def test_a_rule_is_entered_for_each_operation() -> None:
    table = make_table()
    assert [*table] == [Relu, Elu]
    assert table[Elu]() == "bend"
    assert Relu in table
    assert Tanh not in table


def test_a_second_rule_is_refused() -> None:
    with pytest.raises(InputError, match="paper has two rules for relu"):
        make_table().rule(Relu)(lambda: "again")


def test_an_operation_without_a_rule_is_named() -> None:
    with pytest.raises(ArchspecError, match="paper has no rule for tanh; give one in `rules`"):
        make_table()[Tanh]


def test_an_exact_type_is_asked_for() -> None:
    class Leaky(Relu):
        """An operation that derives from one with a rule, and has none."""

    assert Leaky not in make_table()


@pytest.mark.parametrize("given", [3, "relu", [Tanh], {"tanh": print}, {Tanh(): print}, {Tanh: None}, {int: print}])
def test_what_is_no_rule_of_a_caller_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match="rules are functions by the classes of operations, found"):
        make_table().extended(given)


def test_rules_of_a_caller_are_in_a_copy() -> None:
    table = make_table()
    longer = table.extended({Tanh: lambda: "squash"})
    assert (longer[Tanh](), longer[Relu]()) == ("squash", "bend")
    assert Tanh not in table


def test_a_rule_by_name_holds_for_what_derives_from_its_class() -> None:
    rules: NamedRules[Callable[[], str]] = NamedRules()
    rules.rule("Op")(lambda: "any")
    rules.rule("Rectifier")(lambda: "bend")
    assert [rules.find(op)() for op in (Relu, Tanh, Relu)] == ["bend", "any", "bend"]
    assert [*rules] == ["Op", "Rectifier"]


def test_a_callers_class_has_no_rule_by_its_name() -> None:
    class Tanh(Layer):
        """A caller's operation that has the name of another."""

        def infer(self, x: Shape) -> Shape:
            return x

    rules: NamedRules[Callable[[], str]] = NamedRules()
    rules.rule("Tanh")(lambda: "squash")
    rules.rule("Op")(lambda: "any")
    own: type[Op] = Tanh
    assert rules.find(own)() == "any"
