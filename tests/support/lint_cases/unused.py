"""Cases of lint rules: a spec in which each finds something, and the same put right."""

from __future__ import annotations

from tests.support.lint_texts import (
    IMAGE,
    swap,
)

CASES = [
    swap(
        "dead-node",
        IMAGE + "  - conv: 8\n  - tap: a\n  - conv: 8\n  - ▸relu\n  - from: a\n",
        "  - from: a\n",
        "  - add: [[], [from: a]]\n",
        "no output depends on this relu; it ends 2 operations that lead nowhere else, with 584 parameters",
    ),
    swap(
        "dead-node",
        "archspec: 1\ninputs:\n  x: [4]\n  ▸mask: [4]\nnetwork: [linear: 4]\n",
        "[linear: 4]",
        "[mul: [[linear: 4], [from: mask]]]",
        "nothing reads the input 'mask'",
        "that is an input",
    ),
    swap(
        "unused-param",
        "archspec: 1\nparams: {width: 8, ▸depth: 3}\ninputs: {x: [4, 8, 8]}\nnetwork: [conv: width]\n",
        "conv: width",
        "repeat: {n: depth, body: [conv: width]}",
        "nothing uses the param 'depth'",
    ),
    swap(
        "unused-block",
        "archspec: 1\nblocks:\n  a: {body: [relu]}\n  ▸b: {body: [a]}\ninputs: {x: [4, 8, 8]}\nnetwork: [conv: 8, a]\n",
        "conv: 8, a",
        "conv: 8, b",
        "the network does not call the block 'b'",
    ),
    swap(
        "unused-name",
        "archspec: 1\nblocks:\n  a:\n    args: {width: int, ▸stride: int}\n    body: [conv: width]\n"
        "inputs: {x: [4, 8, 8]}\nnetwork: [a: {width: 8, stride: 2}]\n",
        "[conv: width]",
        "[conv: {out: width, stride: stride}]",
        "the block 'a' does not use its argument 'stride'",
    ),
    swap(
        "unused-name",
        "archspec: 1\nblocks:\n  a:\n    let: {half: in_channels // 2, ▸more: 2 * half}\n    body: [conv: half]\n"
        "inputs: {x: [4, 8, 8]}\nnetwork: [a]\n",
        "[conv: half]",
        "[conv: more]",
        "the block 'a' does not use its value 'more'",
        "in let",
    ),
    swap(
        "unused-name",
        IMAGE + "  - repeat:\n      each: {width: [8, 8], ▸stride: [1, 2]}\n      body: [conv: width]\n",
        "[conv: width]",
        "[conv: {out: width, stride: stride}]",
        "nothing in the loop reads 'stride'",
        "of a loop",
    ),
    swap(
        "unused-name",
        "archspec: 1\nblocks:\n  b:\n    args: {a: int}\n    let: {▸a: a + 1}\n    body: [conv: 8]\n"
        "inputs: {x: [4, 8, 8]}\nnetwork: [b: {a: 8}]\n",
        "[conv: 8]",
        "[conv: a]",
        "the block 'b' does not use its value 'a'",
        "that is made of the argument whose name it takes",
    ),
    swap(
        "unused-tap",
        IMAGE + "  - conv: 8\n  - ▸tap: a1\n  - tap: b\n  - conv: 8\n  - add: [[], [from: b]]\n",
        "from: b",
        "from: b, add: [[], [from: a1]]",
        "nothing reads the tap 'a1'",
    ),
    swap(
        "unused-tap",
        IMAGE + "  - ▸tap: a\n  - conv: 8\n  - tap: a\n  - conv: 8\n  - add: [[], [from: a]]\n",
        "tap: a\n  - conv: 8\n  - tap: a\n",
        "tap: a\n  - conv: 8\n  - add: [[], [from: a, conv: 8]]\n  - tap: a\n",
        "the tap 'a' is set again in line 6 before it is read",
        "that is set again",
    ),
    swap(
        "unused-default",
        "archspec: 1\ndefaults:\n  conv: {bias: false}\n  ▸linear: {bias: false}\n"
        "inputs: {x: [4, 8, 8]}\nnetwork: [conv: 8]\n",
        "[conv: 8]",
        "[conv: 8, flatten, linear: 8]",
        "the network has no linear",
    ),
]
