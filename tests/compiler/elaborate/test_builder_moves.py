"""Words that move numbers: a mistake is told where it stands, with what was found."""

from __future__ import annotations

from typing import Any

import pytest

from tests.archspec.spec.texts import HEAD, codes, mistakes_of, unmarked

MISTAKES: list[tuple[str, str, str]] = [
    ("[slice: {start: ▸4}]", "shape-mismatch", "there is none of the 4 channels of 4×8×8; slice needs one at least"),
    ("[slice: {stop: ▸0}]", "shape-mismatch", "from 0 to 0 there is none"),
    ("[slice: {axis: 1, stop: ▸9}]", "shape-mismatch", "outside the 8 positions along axis 1"),
    ("[slice: {axis: ▸3}]", "shape-mismatch", "4×8×8 has the axes 0 (its channels) to 2"),
    ("[flatten, slice: {axis: ▸1}]", "shape-mismatch", "256 has axis 0 alone, its channels"),
    ("[▸slice: 4]", "wrong-type", "slice takes named fields: axis, start, stop, step"),
    ("[slice: {stop: ▸1.5}]", "bad-value", "should be a whole number, found 1.5"),
    ("[slice: {step: ▸0}]", "bad-value", "step"),
    ("[slice: {stop: ▸in_channel}]", "unknown-name", "in_channel"),
    ("[roll: ▸9]", "shape-mismatch", "roll moves by 9, more than the 8 positions along axis 1 of 4×8×8"),
    ("[roll: ▸[1, 2, 3]]", "shape-mismatch", "has 3 entries, and 4×8×8 has 2 spatial axes"),
    ("[flatten, ▸roll: 1]", "shape-mismatch", "roll needs an axis of space, found the vector 256"),
    ("[▸roll]", "missing-field", "roll needs `shift`"),
    ("[flatten, ▸tokens]", "shape-mismatch", "tokens needs a map, found the vector 256"),
    ("[depth_to_space: ▸3]", "shape-mismatch", "a block has 9 positions, and 4 channels of 4×8×8 are no multiple"),
    ("[space_to_depth: ▸3]", "shape-mismatch", "blocks of 3 do not fit the 8 positions along axis 1 of 4×8×8"),
    ("[flatten, ▸space_to_depth]", "shape-mismatch", "needs one to three spatial axes"),
    ("[shuffle_channels: ▸3]", "shape-mismatch", "groups: 3 does not divide the 4 channels of 4×8×8"),
    ("[▸shuffle_channels]", "missing-field", "shuffle_channels needs `groups`"),
    ("[flatten, reduce: {over: ▸positions}]", "shape-mismatch", "over positions needs a map, found the vector 256"),
    ("[reduce: {by: ▸median}]", "bad-value", "median"),
    ("[▸reduce: channels]", "wrong-type", "reduce takes named fields: over, by"),
    ("[▸learned]", "missing-field", "learned needs `shape`"),
    ("[learned: ▸3]", "bad-value", "should be a list of whole numbers from 1"),
    ("[learned: [▸0, 1]]", "bad-value", "shape"),
    ("[learned: ▸[1, 1, 1, 1, 1]]", "bad-value", "shape"),
    ("[learned: {shape: [4], std: ▸-1}]", "bad-value", "std"),
    ("[shift: {trainable: true, per: ▸place}]", "bad-value", "place"),
    ("[▸concat: {axis: 1, branches: [[], [conv: 5]]}]", "shape-mismatch", "all other extents to be equal"),
    ("[concat: {axis: ▸3, branches: [[], []]}]", "shape-mismatch", "concat along axis 3: 4×8×8 has the axes 0"),
    ("[concat: {axis: ▸1.5, branches: [[], []]}]", "bad-value", "`axis` should be a whole number, found 1.5"),
    ("[concat: {axis: 1, branches: [[], []], fit: ▸crop}]", "bad-value", "this is along axis 1"),
    ("[tap: a, ▸map: a]", "shape-mismatch", "map needs a row of tokens, C×L, found 4×8×8"),
    ("[tap: a, tokens, max_pool: 2, map: ▸a]", "shape-mismatch", "map lays out 32 tokens, and 4×8×8 has 64 positions"),
    ("[tokens, map: ▸b]", "unknown-tap", "unknown tap 'b'"),
    ("[split: ▸[a, b, c]]", "shape-mismatch", "3 equal parts do not make the 4 channels of 4×8×8; give `sizes`"),
    ("[split: {taps: [a, b], sizes: ▸[1, 2]}]", "shape-mismatch", "split has 2 parts of the 4 channels of 4×8×8"),
    ("[split: {taps: [a, b], sizes: ▸[4, 0]}]", "bad-value", "`sizes` should be whole numbers from 1, found [4, 0]"),
    ("[split: ▸[a, a]]", "bad-value", "have names of their own, found [a, a]"),
    ("[split: {taps: [a, b], axis: ▸3}]", "shape-mismatch", "split along axis 3: 4×8×8 has the axes 0"),
    ("[▸split]", "missing-field", "split needs `taps`"),
    ("[slice: {▸end: 2}]", "unknown-field", "unknown field 'end' of slice"),
]


@pytest.mark.parametrize(("network", "code", "message"), MISTAKES, ids=[network for network, *_ in MISTAKES])
def test_mistake_is_told_where_it_stands(network: str, code: str, message: str) -> None:
    text, marks = unmarked(f"{HEAD}network: {network}\n")
    found: list[Any] = mistakes_of(text)
    assert codes(found) == [code]
    assert message in found[0].message
    assert [(item.place.line, item.place.column) for item in found] == marks
