"""Expressions: what they may say, what they are worth, and that nothing in them runs or grows without bound."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.spec.arithmetic import FUNCTIONS, MAX_ENTRIES
from archspec.spec.expressions import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_VALUE,
    Expression,
    ExpressionError,
    Template,
    is_name,
    lookup_of,
)
from tests.archspec.spec.texts import HEAD, graph_of, mistakes_of
from tests.support.strategies import MODERATE

NAMES: dict[str, Any] = {
    "a": 7,
    "b": 2,
    "half": 0.5,
    "flag": True,
    "off": False,
    "xs": [1, 2, 3],
    "deep": [[1, 2], [3]],
    "none": [],
}


def value(text: str, **names: Any) -> Any:
    return Expression.parse(text)(lookup_of({**NAMES, **names}))


def problem(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        value(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 3), (" 3 ", 3), ("3.5", 3.5), ("1e-3", 1e-3), ("1_000", 1000), ("0x10", 16), (".5", 0.5), ("-3", -3),
        ("+a", 7), ("a + b * 2", 11), ("(a + b) * 2", 18), ("a - b - 1", 4), ("a // b", 3), ("-a // b", -4),
        ("a % b", 1), ("-a % b", 1), ("a / b", 3.5), ("4 / 2", 2.0), ("a * half", 3.5), ("- - a", 7), ("a + -b", 5),
        ("7 // 2.0", 3.0), ("a > b", True), ("a >= 7", True), ("a < b", False), ("a <= 7", True), ("a == 7", True),
        ("a != 7", False), ("1 < b < a", True), ("1 < a < b", False), ("a == 7.0", True), ("xs == xs", True),
        ("xs[0] == 1", True), ("flag and a > b", True), ("off or a < b", False), ("not flag", False),
        ("not not a", True), ("flag and off", False), ("a and b", True), ("0 or 0.0", False), ("0 or a", True),
        ("none or xs", True), ("off and nothing", False), ("flag or nothing", True), ("true", True), ("false", False),
        ("True", True), ("False", False), ("not false", True), ("a if flag else b", 7), ("a if off else b", 2),
        ("a if a < b else b if flag else 0", 2), ("1 if true else nothing", 1), ("xs[0]", 1), ("xs[-1]", 3),
        ("xs[b]", 3), ("xs[a - 7]", 1), ("deep[0][1]", 2), ("deep[b - 1]", [3]), ("xs", [1, 2, 3]), ("min(a, b)", 2),
        ("max(a, b, 9)", 9), ("max(xs)", 3), ("len(xs)", 3), ("len(none)", 0), ("min(xs[1], a)", 2),
        ("round(2.4)", 2), ("round(2.5)", 2), ("round(3.5)", 4), ("round(a / b)", 4), ("round(-0.4)", 0),
        ("round(a)", 7), ("max(1, a // 16)", 1), ("len(xs) - 1 == 2", True),
        ("[1, 2]", [1, 2]), ("[]", []), ("[2, 4][b - 1]", 4), ("[a, [b]]", [7, [2]]), ("xs + [a]", [1, 2, 3, 7]),
        ("xs[0:2]", [1, 2]), ("xs[:]", [1, 2, 3]), ("xs[1:]", [2, 3]), ("xs[:-1]", [1, 2]), ("xs[5:]", []),
        ("sum(xs)", 6), ("sum(xs[:b])", 3), ("sum([])", 0), ("sum([half, 1])", 1.5), ("b ** 3", 8), ("-b ** 2", -4),
        ("a ** 0", 1), ("half ** 2", 0.25), ("2 ** 3 ** 2", 512), ("len(deep + [xs])", 3),
    ],
)  # fmt: skip
def test_value(text: str, expected: Any) -> None:
    found = value(text)
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    "text",
    [
        "a << b", "a >> b", "a & b", "a | b", "a ^ b", "~a", "a @ b", "a is b", "a in xs", "a not in xs",
        "'text'", "b'raw'", "f'{a}'", "None", "...", "1j", "3.5j", "a.real", "xs.append(1)", "().__class__",
        "a.__class__.__mro__", "xs[0].x", "(1, 2)", "()", "{1: 2}", "{1, 2}", "[x for x in xs]",
        "(x for x in xs)", "{x: x for x in xs}", "lambda: 1", "(lambda: 1)()", "(x := 1)", "*xs", "xs[0:2, 1]",
        "xs[0, 1]", "xs[::2]", "abs(a)", "eval('1')", "exec('1')", "open('x')", "__import__('os')", "print(a)",
        "int(a)", "abs(xs)", "range(9)", "a(b)", "min", "max + 1", "[min][0](1)", "min(*xs)", "max(xs, key=len)",
        "min(xs, default=0)", "round(number=1)", "(min if a else max)(1, 2)", "min(a, b)(1)", "len(xs)(1)",
        "max(max, 1)", "await a", "yield", "yield a", f"{MAX_VALUE + 1}", "1e19", "1e999", "9" * 190,
        "0x" + "f" * 100,
    ],
)  # fmt: skip
def test_all_but_the_allow_list_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(text)
    assert caught.value.code == "bad-expression"


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "1 +", "* 2", "a b", "1 2", "a = 1", "a; b", "import os", "if a: b", "a\nb", "(", ")", "((1)",
        "a if b", "a ? b : c", "a && b", "!a", "a++", "1..2", "0b", "010", "\0", "a\0", "é +", "#", "'", '"', "\\",
        "\ud800", "𝟙 +", "a,", "$a", "`a`", "\t(", "(" * 190, "[" * 190, "-" * 190, "not " * 40,
    ],
)  # fmt: skip
def test_what_is_no_expression(text: str) -> None:
    assert problem(text).code == "bad-expression"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c", "unknown name 'c'; there is a, b, deep, flag, half, none, off, xs"),
        ("hal", "unknown name 'hal'; did you mean 'half'?"),
        ("flag + 1", "'flag' should be a number, found true"),
        ("a * off", "'off' should be a number, found false"),
        ("true + true", "'true' should be a number, found true"),
        ("-flag", "'flag' should be a number, found true"),
        ("xs + a", "'xs' should be a number, found [1, 2, 3]"),
        ("a + xs", "'xs' should be a number, found [1, 2, 3]"),
        ("xs - xs", "'xs' should be a number"),
        ("2 ** -1", "'2 ** -1' has no value: an exponent should be 0.5 or a whole number from 0 to 64, found -1"),
        ("(half - 1) ** half", "an exponent should be 0.5 or a whole number from 0 to 64, found 0.5 of -0.5"),
        ("a ** 65", "an exponent should be 0.5 or a whole number from 0 to 64, found 65"),
        ("b ** flag", "'flag' should be a number, found true"),
        ("a ** 64", "is larger than any size could be"),
        ("1e18 ** 64", "has no value"),
        ("sum(a)", "'sum(a)' has no value: sum takes a list"),
        ("sum(deep)", "sum takes a list of numbers, found [1, 2] in it"),
        ("sum([a > b])", "sum takes a list of numbers, found true in it"),
        ("a[1:]", "only a list has slices"),
        ("xs[half:]", "an index should be a whole number, found 0.5"),
        ("[[c]]", "unknown name 'c'"),
        ("xs * 2", "'xs' should be a number"),
        ("(a > b) + 1", "'a > b' should be a number, found true"),
        ("a / 0", "'a / 0' has no value: division by zero"),
        ("a // 0", "has no value: integer division or modulo by zero"),
        ("a % 0", "has no value"),
        ("a % 0.0", "has no value"),
        ("xs[3]", "has no value: index 3 in a list of 3"),
        ("xs[-4]", "has no value: index -4 in a list of 3"),
        ("none[0]", "has no value: index 0 in a list of 0"),
        ("a[0]", "has no value: only a list can be indexed"),
        ("xs[half]", "has no value: an index should be a whole number, found 0.5"),
        ("xs[flag]", "has no value: an index should be a whole number, found true"),
        ("xs < 3", "has no value"),
        ("max(none)", "has no value"),
        ("max(xs, 1)", "has no value"),
        ("max()", "has no value"),
        ("max(1)", "has no value"),
        ("len(a)", "has no value"),
        ("len()", "has no value"),
        ("round(xs)", "has no value"),
        ("round(flag)", "has no value: true and false are no numbers"),
        ("round(a, 1)", "has no value"),
        ("round(a, -10000000000)", "has no value"),
        ("1000000000 * 1000000001", "'1000000000 * 1000000001' is larger than any size could be"),
        ("(a + 999999999) * 1000000000 // 1000000000", "'(a + 999999999) * 1000000000' is larger"),
        ("-1000000000 * 1000000000 - 1", "is larger"),
        ("1e18 * 10", "is larger"),
    ],
)
def test_what_has_no_value(text: str, message: str) -> None:
    assert message in str(problem(text))


@pytest.mark.parametrize("text", ["long + [1]", "[long, 1]", "[deep, [long]]", "long[1:] + long", "[long] + [long]"])
def test_lists_that_are_made_are_bounded(text: str) -> None:
    long = [0] * MAX_ENTRIES
    with pytest.raises(ExpressionError, match="a list has at most 1,000 entries, those of lists in it counted"):
        value(text, long=long)
    assert value("long[1:] + [1]", long=long) == [0] * (MAX_ENTRIES - 1) + [1]


def test_length_and_depth_are_bounded() -> None:
    assert value("1" + " " * (MAX_LENGTH - 1)) == 1
    assert "at most 200 characters, found 201" in str(problem("1" + " " * MAX_LENGTH))
    assert "at most 200 characters, found 1000000" in str(problem("1" * 1_000_000))
    assert value("-" * (MAX_DEPTH - 2) + "1") == 1
    assert "nests more than 32 levels deep" in str(problem("-" * MAX_DEPTH + "1"))
    assert "nests more than 32 levels deep" in str(problem("+".join(["1"] * 40)))
    assert "nests more than 32 levels deep" in str(problem("not " * 40 + "1"))


def test_cost_is_the_size_of_the_tree() -> None:
    assert [Expression.parse(text).cost for text in ("a", "7", "a + 1")] == [1, 1, 3]
    assert Template.parse("a{i}b{i + 1}").cost == 4
    assert Template.parse("plain").cost == 0


@pytest.mark.parametrize(("text", "name"), [("a", True), ("_", True), ("a" * 64, True), ("A9_z", True), ("i", True)])
def test_names(text: str, name: bool) -> None:
    assert is_name(text) is name


@pytest.mark.parametrize(
    "text",
    ["", "1a", "a-b", "a b", "é", "a" * 65, "if", "lambda", "True", "None", "true", "false", "min", "len", "a\n"],
)
def test_what_is_no_name(text: str) -> None:
    assert not is_name(text)


def test_scope_takes_the_first_layer_that_has_a_name() -> None:
    scope = lookup_of({"a": 1}, {"a": 2, "b": 3})
    assert (scope("a"), scope("b")) == (1, 3)
    with pytest.raises(ExpressionError, match="no names are known here"):
        lookup_of()("a")


# Templates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("heat{a}", "heat7"),
        ("{a}", None),
        ("s{a}_{b + 1}", "s7_3"),
        ("x{len(xs)}y", "x3y"),
        ("_{b}", "_2"),
    ],
)
def test_template(text: str, expected: str | None) -> None:
    if expected is None:  # a name does not start with a digit
        with pytest.raises(ExpressionError):
            Template.parse(text)
        return
    assert Template.parse(text)(lookup_of(NAMES)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "a-b",
        "1",
        "a.b",
        "a{",
        "a}",
        "a{{b}}",
        "a{}",
        "a{1 +}",
        "é",
        "a/b",
        "../a",
        "a{b",
        "a" * 201,
        "{i}" * 70,
    ],
)
def test_what_is_no_template(text: str) -> None:
    with pytest.raises(ExpressionError):
        Template.parse(text)


@pytest.mark.parametrize("text", ["x{half}", "x{flag}", "x{-a}", "x{xs}", "x{c}", "x{a / b}", "x{1 / 0}"])
def test_what_makes_no_part_of_a_name(text: str) -> None:
    with pytest.raises(ExpressionError):
        Template.parse(text)(lookup_of(NAMES))


# In a spec


@pytest.mark.parametrize(
    "out", ["4 / 2", "2.0", "'10 / 5'", "round(2.4)", "5 // 2", "len(xs) - 1", "'xs[1]'", "a if a < 3 else 9"]
)
def test_whole_number_is_accepted_however_it_came_about(out: str) -> None:
    graph = graph_of(f"{HEAD}params: {{a: 2, xs: [1, 2, 3]}}\nnetwork: [conv: {{out: {out}}}]\n")
    assert graph["conv_0"].shape == (2, 8, 8)


@pytest.mark.parametrize(
    "out", ["5 / 2", "2.5", "1.9999999", "0.1 * 3 * 10", "a / 3", "true", "a > 1", "xs", "-2", "0", "1 - 1"]
)
def test_nothing_rounds_and_no_flag_is_a_number(out: str) -> None:
    (mistake,) = mistakes_of(f"{HEAD}params: {{a: 2, xs: [1, 2, 3]}}\nnetwork: [conv: {{out: {out}}}]\n")
    assert mistake.code == "bad-value"
    assert (mistake.place.line, mistake.place.column) == (4, 23)


@pytest.mark.parametrize("bias", ["true", "a > 1", "not false", "flag", "flag and a == 2", "1 < 2"])
def test_flag_by_an_expression(bias: str) -> None:
    graph = graph_of(f"{HEAD}params: {{a: 2, flag: true}}\nnetwork: [conv: {{out: 1, bias: {bias}}}]\n")
    assert "conv_0.bias" in graph.weights


@pytest.mark.parametrize("bias", ["1", "a", "1 / 1", "0", "[]", "~"])
def test_no_number_is_a_flag(bias: str) -> None:
    (mistake,) = mistakes_of(f"{HEAD}params: {{a: 1}}\nnetwork: [conv: {{out: 1, bias: {bias}}}]\n")
    assert "should be a boolean" in mistake.message


WORDS = [
    "a",
    "i",
    "b",
    "xs",
    "true",
    "0",
    "1.",
    "min(",
    "round(",
    " if ",
    " else ",
    " and ",
    "not ",
    "é",
    "\n",
    *"()[]{}+-*/%<>=!,'#",
]


@settings(MODERATE, max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=12).map("".join))
def test_any_text_is_an_expression_or_a_message(text: str) -> None:
    try:
        found: Any = Expression.parse(text)(lookup_of(NAMES))
    except ExpressionError as error:
        found = str(error)
    assert isinstance(found, list) or (found if isinstance(found, str) else abs(found) <= MAX_VALUE)


@settings(MODERATE, max_examples=200)
@given(st.text(max_size=30) | st.lists(st.sampled_from(WORDS), max_size=12).map("".join))
def test_any_text_is_a_template_or_a_message(text: str) -> None:
    try:
        found = Template.parse(text)(lookup_of(NAMES))
    except ExpressionError as error:
        found = str(error)
    assert found


@st.composite
def arithmetic(draw: st.DrawFn, depth: int = 3) -> str:
    """An expression of whole numbers that Python values alike."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(["a", "b", "1", "0", "12", "len(xs)", "xs[1]"]))
    left, right = draw(arithmetic(depth - 1)), draw(arithmetic(depth - 1))
    form = draw(
        st.sampled_from(
            [
                "({} + {})",
                "({} - {})",
                "({} * {})",
                "({} // {})",
                "({} % {})",
                "max({}, {})",
                "({} / {})",
                "({0} if {0} < {1} else {1})",
                "-{}",
            ]
        )
    )
    return form.format(left, right)


@settings(MODERATE, max_examples=200)
@given(arithmetic())
def test_arithmetic_is_pythons(text: str) -> None:
    if len(text) > MAX_LENGTH:
        return
    try:
        expected = eval(text, {"__builtins__": FUNCTIONS}, NAMES)
    except ZeroDivisionError:
        assert "has no value" in str(problem(text))
    else:
        assert value(text) == expected


def test_allow_list_is_closed() -> None:
    """Every kind of expression that Python has: known here, or refused."""
    allowed = {
        "Constant",
        "Name",
        "BinOp",
        "UnaryOp",
        "BoolOp",
        "Compare",
        "IfExp",
        "Subscript",
        "Call",
        "List",
        "Slice",
    }
    kinds = {kind.__name__ for kind in ast.expr.__subclasses__()}
    assert allowed <= kinds
    assert set(FUNCTIONS) == {"min", "max", "len", "round", "sum"}
