"""The words of the language: how bodies are unrolled into nodes, and what each word does on its turn: layers, loops,
branches, residuals, taps, and calls of blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from math import sqrt
from typing import Any, TypeAlias

from pydantic import ValidationError

from archspec.errors import BlockCall, Diagnostic
from archspec.ops import NORMALIZATIONS, Add, Concat, Normalization, Scale
from archspec.spec.document import Block
from archspec.spec.layers import USUAL_NORM, ErrorNode, LayerNode, NormChoice, SpecNode, node_of, overlay
from archspec.spec.messages import report_invalid
from archspec.spec.nodes import (
    Branching,
    CallNode,
    Dense,
    EncoderDecoder,
    Ext,
    From,
    Output,
    Repeat,
    Residual,
    Tap,
    When,
)
from archspec.spec.suggestions import suggest_field
from compiler.elaborate.builder import MERGES
from compiler.elaborate.evaluator import tell
from compiler.elaborate.reporter import NODE, SkipNode
from compiler.elaborate.scope import Closure, MaybeNode, Scope, Step
from compiler.elaborate.walk import Walk

MAX_NESTING = 100
"""The largest depth of nodes inside nodes, in levels."""
MAX_PATH = 1000
"""The largest length of the id of a node, its path, in characters."""

Word: TypeAlias = Callable[[Walk, Any, Step], MaybeNode]
"""A function that does what a word of the language does on its turn: given the walk, the node in its own type, and the
step, it puts nodes into the graph, and gives the value that goes on."""

_WORDS: dict[type[SpecNode], Word] = {}


def run_body(walk: Walk, body: tuple[SpecNode, ...], value: MaybeNode, scope: Scope) -> MaybeNode:
    """Send a value through a body."""
    ordinals: dict[str, int] = {}
    taken = set() if scope.path else set(walk.spec.inputs)
    is_too_deep = scope.depth > MAX_NESTING or len(scope.path) > MAX_PATH
    for node in body:
        name = node.name
        if name is None:
            ordinals[node.called] = ordinal = ordinals.get(node.called, -1) + 1
            name = f"{node.called}_{ordinal}"
        if isinstance(node, ErrorNode):
            walk.incomplete, value = True, None
            continue
        walk.reporter.spend(NODE, node.place, scope.calls)
        step = Step(node, value, name, scope)
        if is_too_deep:
            message = f"nodes nest at most {MAX_NESTING} levels deep, with at most {MAX_PATH:,} characters of names"
            walk.reporter.stop("too-deep", message, node.place, scope.calls)
        try:
            if name in taken:
                message = f"another node of this body, or an input, is called '{name}'"
                walk.reporter.fail("duplicate-name", message, step.place("name"), scope.calls)
            taken.add(name)
            value = _find_word(type(node))(walk, node, step)
        except SkipNode:
            walk.incomplete, value = True, None
    return value


@cache
def _find_word(kind: type[SpecNode]) -> Word:
    """Find what nodes of a kind, or of what it derives from, do on their turn."""
    return next(_WORDS[base] for base in kind.__mro__ if base in _WORDS)


def _word(kind: type[SpecNode]) -> Callable[[Word], Word]:
    def keep(function: Word) -> Word:
        _WORDS[kind] = function
        return function

    return keep


@_word(LayerNode)
def layer(walk: Walk, node: LayerNode, step: Step) -> MaybeNode:
    """Put in a primitive operation."""
    return walk.builder.apply_layer(step, walk.evaluator.build_op(step, node.op, node.given))


@_word(NormChoice)
def norm(walk: Walk, node: NormChoice, step: Step) -> MaybeNode:
    """Put in the network's normalization: of the kind that `defaults` choose, or that is given here, or none."""
    fields = overlay(walk.evaluator.settings(node.word, step.scope), node.given)
    kind = fields.pop("kind", USUAL_NORM)
    known = NORMALIZATIONS.get(kind, Normalization).model_fields  # what all kinds have may stand beside `none` too
    for key in [key for key in fields if key not in known]:
        message = f"norm of kind {kind} has no field '{key}'{suggest_field(key, known)}"
        walk.reporter.fail("unknown-field", message, step.place(key, key=True), step.calls)
    if kind in NORMALIZATIONS:
        return walk.builder.apply_layer(step, walk.evaluator.build_op(step, NORMALIZATIONS[kind], fields))
    if kind == "weight" and walk.spec.defaults.get("norm", {}).get("kind") != "weight":
        message = "weight normalization is of a whole network: choose it in the spec's `defaults`"
        walk.reporter.fail("bad-value", message, step.place("kind"), step.calls)
    return step.value


@_word(Ext)
def extension(walk: Walk, node: Ext, step: Step) -> MaybeNode:
    """Put in an operation of the caller's own, which he allowed by name."""
    if node.use not in walk.extensions:
        allowed = f"; allowed are {', '.join(walk.extensions)}" if walk.extensions else ""
        message = f"the caller did not allow the extension '{node.use}'{allowed}"
        walk.reporter.fail("extension", message, step.place("use"), step.calls)
    op = walk.extensions[node.use]
    model = node_of(op)
    try:
        given = model.model_validate(node.model_extra).given
    except ValidationError as error:
        found: list[Diagnostic] = []
        report_invalid(error, model, f"the extension {node.use}", node.written, node.place, node.place, found)
        for mistake in found:
            walk.reporter.report(mistake.code, mistake.message, mistake.place, step.calls)
        raise SkipNode from None
    return walk.builder.apply_layer(step, walk.evaluator.build_op(step, op, given))


@_word(Residual)
def residual(walk: Walk, node: Residual, step: Step) -> MaybeNode:
    """Send a value through a body, and beside it a shortcut to which its result is added (He et al., 2016)."""
    walk.residuals.met += 1
    ordinal, apply, inside = walk.residuals.met, walk.builder.apply, step.enter()
    scaling = walk.evaluator.setting(step, "scaling")
    fixup: list[str] | None = [] if scaling == "fixup" else None
    result = run_body(walk, node.body, step.value, replace(inside.enter("body"), fixup=fixup))
    result = walk.residuals.scale(step, result, scaling, fixup or [], inside)
    scale = walk.evaluator.setting(step, "scale")
    if scale is not None:
        op = walk.evaluator.build_op(step, Scale, {"value": scale}, renamed={"value": "scale"})
        result = apply(step, op, [result], inside.join("scale"))
    result = walk.residuals.drop(step, result, ordinal, inside)
    total = apply(step, Add(), [_find_shortcut(walk, node, step, result), result], inside.join("add"), inside.path)
    if scaling == "sqrt_half":
        total = apply(step, Scale(value=sqrt(1 / 2)), [total], inside.join("sqrt_half"))
    return total


def _find_shortcut(walk: Walk, node: Residual, step: Step, result: MaybeNode) -> MaybeNode:
    """Find what a residual adds to the result of its body: its input, or what `shortcut` or `project` make of that."""
    if step.value is None or result is None:
        return None
    shortcut, kind = step.value, "its input"
    for word, body in (("shortcut", node.shortcut), ("project", node.project)):
        if body is not None and (word == "shortcut" or not walk.are_one_shape(step.value, result)):
            kind = "its shortcut" if word == "shortcut" else "its projection"
            scope = step.enter().enter(word, out_channels=result.shape.channels)
            projected = run_body(walk, body, step.value, scope)
            if projected is None:
                return None
            shortcut = projected
    if shortcut.shape != result.shape:
        remedy = "; give `project` or `shortcut`" if kind == "its input" else ""
        message = f"residual adds its body, {result.shape}, to {kind}, {shortcut.shape}{remedy}"
        walk.reporter.fail("shape-mismatch", message, step.place(), step.calls)
    return shortcut


@_word(Repeat)
def repeat(walk: Walk, node: Repeat, step: Step) -> MaybeNode:
    """Send a value through a body, turn after turn."""
    value = step.value
    for turn in walk.list_turns(step, node):
        value = run_body(walk, node.body, value, turn)
    return value


@_word(Dense)
def dense(walk: Walk, node: Dense, step: Step) -> MaybeNode:
    """Send a value through a body, turn after turn, and concatenate each result with what it was given (Huang et al.,
    2017)."""
    value = step.value
    for turn in walk.list_turns(step, node):
        result = run_body(walk, node.body, value, turn.enter("body"))
        value = walk.builder.apply(step, Concat(), [value, result], turn.join("concat"), turn.path)
    return value


@_word(Branching)
def branches(walk: Walk, node: Branching, step: Step) -> MaybeNode:
    """Send one value through several branches, and merge their results."""
    inside = step.enter()
    if node.branches is not None:
        bodies = [(inside.enter(f"branch{i}"), branch) for i, branch in enumerate(node.branches)]
    else:
        bodies = [(turn, node.body or ()) for turn in walk.list_turns(step, node)]
        if not bodies:
            message = f"{node.word} needs at least one branch, found none"
            walk.reporter.fail("bad-value", message, step.place(), step.calls)
    if node.word == "mul":  # the factors of a value are gates, which FixUp leaves alone: at zero they would be open
        bodies[1:] = [(replace(turn, fixup=None), branch) for turn, branch in bodies[1:]]
    values = [run_body(walk, branch, step.value, turn) for turn, branch in bodies]
    merge = MERGES[node.word]
    op = merge(**{key: walk.evaluator.setting(step, key) for key in merge.model_fields})
    return walk.builder.merge(step, op, values, walk.evaluator.setting(step, "fit"), inside)


@_word(EncoderDecoder)
def encoder_decoder(walk: Walk, node: EncoderDecoder, step: Step) -> MaybeNode:
    """Send a value a way down and a way up, level by level, with a skip across each (Ronneberger et al., 2015)."""
    value, inside = step.value, step.enter()
    turns = list(walk.list_turns(step, node))
    skips = []
    for turn in turns:
        value = run_body(walk, node.encoder, value, turn.enter("encoder"))
        skips.append(run_body(walk, node.skip, value, turn.enter("skip")))
        value = run_body(walk, node.down, value, turn.enter("down"))
    value = run_body(walk, node.bottom, value, inside.enter("bottom"))
    for turn, skip in zip(reversed(turns), reversed(skips), strict=True):
        value = run_body(walk, node.up, value, turn.enter("up"))
        op, fit = MERGES[walk.evaluator.setting(step, "merge")](), walk.evaluator.setting(step, "fit")
        value = walk.builder.merge(step, op, [skip, value], fit, turn.enter("merge"))
        value = run_body(walk, node.decoder, value, turn.enter("decoder"))
    return value


@_word(When)
def when(walk: Walk, node: When, step: Step) -> MaybeNode:
    """Send a value through one of two bodies, by a test."""
    test = walk.evaluator.evaluate(step, node.test, step.place("test"))
    if isinstance(test, list):
        message = "`test` of when should be true or false, found a list"
        walk.reporter.fail("bad-value", message, step.place("test"), step.calls)
    return run_body(walk, node.then if test else node.else_, step.value, step.enter())


@_word(Tap)
def tap(walk: Walk, node: Tap, step: Step) -> MaybeNode:
    """Name the value that goes by."""
    label = walk.evaluator.fill_label(step, node.label)
    step.scope.taps[label] = step.value
    walk.taps.keep(label, step.scope)
    return step.value


@_word(From)
def take_from(walk: Walk, node: From, step: Step) -> MaybeNode:
    """Take the value that a tap has named."""
    label = walk.evaluator.fill_label(step, node.label)
    if label not in step.scope.taps:
        if walk.incomplete:
            raise SkipNode
        message = f"unknown tap '{label}'{walk.taps.explain_missing(label, step.scope)}"
        walk.reporter.fail("unknown-tap", message, step.place("label"), step.calls)
    return step.scope.taps[label]


@_word(Output)
def output(walk: Walk, node: Output, step: Step) -> MaybeNode:
    """Name a result of the network."""
    label = walk.evaluator.fill_label(step, node.label)
    if label in walk.output_names or label in walk.spec.inputs:
        other = "output" if label in walk.output_names else "input"
        message = f"there is an {other} called '{label}' already"
        walk.reporter.fail("duplicate-output", message, step.place("label"), step.calls)
    walk.output_names.add(label)
    if step.value is not None:
        walk.outputs[label] = step.value.id
    return step.value


@_word(CallNode)
def call(walk: Walk, node: CallNode, step: Step) -> MaybeNode:
    """Call a block with its arguments, or a body that was handed to the block around."""
    scope = step.scope
    if node.block in scope.bodies:
        closure = scope.bodies[node.block]
        here = replace(closure.scope, path=step.id, depth=scope.depth + 1, fixup=scope.fixup)
        return run_body(walk, closure.body, step.value, here)
    block = walk.spec.blocks[node.block]
    given = _evaluate_arguments(walk, node, step, block)
    bodies = {
        key: Closure(node.arguments.get(key) or (), scope)
        for key, argument in block.args.items()
        if argument.type == "block"
    }
    text = f"{node.block}({', '.join(f'{key}={tell(item)}' for key, item in given.items())})"
    names = {**walk.spec.params, **given}
    calls = (BlockCall(text, node.place), *scope.calls)
    inside = Scope(names, {}, bodies, step.id, calls, scope.depth + 1, block.defaults, scope.fixup)
    for key, expression in block.let.items():
        names[key] = walk.evaluator.evaluate(step.within(inside), expression, block.place_of("let", key))
    return run_body(walk, block.body, step.value, inside)


def _evaluate_arguments(walk: Walk, node: CallNode, step: Step, block: Block) -> Mapping[str, Any]:
    """The values of a block's arguments; a default sees the spec's params and the arguments before it."""
    given: dict[str, Any] = {}
    for key, argument in block.args.items():
        if argument.type == "block":
            continue
        if key in node.arguments:
            place = step.place(key)
            value = walk.evaluator.evaluate(step, node.arguments[key], place)
        else:
            place = block.place_of("args", key)
            seen = step.within(replace(step.scope, names={**walk.spec.params, **given}))
            value = walk.evaluator.evaluate(seen, argument.default, place)
        given[key] = walk.evaluator.convert(step, key, argument.type, value, place)
    return given
