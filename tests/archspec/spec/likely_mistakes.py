"""Mistakes of those who come from other libraries or from Python: the message says what the word is here."""

from __future__ import annotations

from tests.archspec.spec.mistakes import BODY, bad
from tests.archspec.spec.texts import HEAD

LIKELY = [
    bad("valid", BODY + "  - conv: {out: 8, padding: ▸valid}\n", ("unknown-name", "; `padding: 0` pads nothing")),
    bad(
        "a number for each of too many axes",
        BODY + "  - conv: {out: 8, kernel: ▸[3, 3, 3]}\n",
        ("shape-mismatch", "kernel: [3, 3, 3] has 3 entries, and"),
    ),
    bad(
        "an axis of nothing",
        BODY + "  - conv: {out: 8, stride: ▸[1, 0]}\n",
        ("bad-value", "whole numbers from 1, found"),
    ),
    bad("yes", BODY + "  - conv: {out: 8, bias: ▸yes}\n", ("unknown-name", "the field takes true or false")),
    bad("dense layer", BODY + "  - ▸dense: 12\n", ("wrong-type", "a fully connected layer is `linear: 12`")),
    bad("dense body", BODY + "  - ▸dense: [relu]\n", ("wrong-type", "as in `dense: {n: 2, body: [...]}`")),
    bad("residual body", BODY + "  - ▸residual: [relu]\n", ("wrong-type", "as in `residual: {body: [...]}`")),
    bad("fields", BODY + "  - ▸batch_norm: 3\n", ("wrong-type", "named fields: affine, start, eps, momentum")),
    bad("int", BODY + "  - conv: ▸int(in_channels / 3)\n", ("bad-expression", "; say `in_channels // 3`")),
    bad("floor", BODY + "  - conv: ▸floor(in_channels)\n", ("bad-expression", "; `a // b` divides and rounds down")),
    bad("ceil", BODY + "  - conv: ▸ceil((1 + 2) / 3)\n", ("bad-expression", "; say `-(-(1 + 2) // 3)`")),
    bad("large power", BODY + "  - conv: ▸in_channels ** 99\n", ("bad-expression", "a whole number from 0 to 64")),
    bad("list", BODY + "  - conv: ▸'[8, 16][2]'\n", ("bad-expression", "index 2 in a list of 2")),
    bad(
        "no extent",
        "archspec: 1\ninputs: {x: ▸[3, null, null]}\nnetwork: []\n",
        ("bad-shape", "an entry without a value"),
    ),
    bad(
        "channels last",
        "archspec: 1\ninputs: {x: [96, 64, 3]}\nnetwork: [max_pool: 2, max_pool: ▸2]\n",
        ("shape-mismatch", "should the channels of 'x' come first, as in [3, 96, 64]?"),
    ),
    bad(
        "channels first",
        "archspec: 1\ninputs: {x: [3, 96, 3]}\nnetwork: [max_pool: 2, max_pool: ▸2]\n",
        ("shape-mismatch", "3×48×1"),
    ),
    bad("tab", BODY + "▸\t- relu\n", ("syntax", "; a tab does not indent in YAML: use spaces")),
    bad(
        "comma in braces",
        BODY + "  - conv: {out: ▸min(64, 32), stride: 2}\n",
        ("syntax", "a comma ends 'min(64' here: quote"),
    ),
    bad(
        "comma before []",
        BODY + "  - conv: {out: ▸min(64, w[0]), stride: 2}\n",
        ("syntax", "quote an expression that holds one"),
    ),
    bad(
        "bracket in braces",
        BODY + "  - conv: {out: w▸[0], stride: 2}\n",
        ("syntax", "; quote an expression that holds a"),
    ),
    bad("comma in brackets", BODY + "  - repeat: {each: {w: [▸max(8, 4), 3]}, body: []}\n", ("syntax", "quote")),
    bad(
        "param of a later one",
        HEAD + "params: {widths: ▸[base, 2 * base], base: 48}\nnetwork: []\n",
        ("unknown-name", "`widths`: unknown name 'base'"),
    ),
    bad("linear on a map", BODY + "  - ▸linear: 10\n", ("shape-mismatch", "or say `conv: {out: 10, kernel: 1}`")),
    bad(
        "defaults of an extension",
        HEAD + "defaults: {▸shuffle2: {r: 2}}\nnetwork: []\n",
        ("unknown-node", "of an extension write `ext: {NAME: {field: value}}`"),
    ),
    bad(
        "defaults by another name",
        HEAD + "defaults: {▸Conv2d: {}}\nnetwork: []\n",
        ("unknown-node", "here it is `conv`"),
    ),
    bad("layer by another name", BODY + "  - ▸Swish\n", ("unknown-node", "unknown node 'Swish'; here it is `silu`")),
    bad("field by another name", BODY + "  - conv: {▸filters: 3, out: 4}\n", ("unknown-field", "here it is `out`")),
    bad("key by another name", HEAD + "network: []\n▸layers: []\n", ("unknown-field", "here it is `network`")),
    bad(
        "tap in a block",
        HEAD + "blocks: {b: {body: [tap: t]}}\nnetwork:\n  - b\n  - from: ▸t\n",
        ("unknown-tap", "it is set inside b(), and what a block taps is known in the block alone"),
    ),
    bad(
        "tap of the caller",
        HEAD + "blocks: {b: {body: [from: ▸t]}}\nnetwork:\n  - tap: t\n  - b\n",
        ("unknown-tap", "it is set outside, and a block sees no taps of its caller"),
    ),
]
