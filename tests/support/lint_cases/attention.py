"""Cases of the rules about attention, windows and shared weights."""

from __future__ import annotations

from tests.support.lint_texts import IMAGE, swap

KEYS = """\
  - attend:
      heads: 2
      query: [conv: {out: 4, kernel: 1}]
      key: [▸conv: {out: 4, kernel: 1}]
"""

CASES = [
    swap(
        "idle-key-bias",
        IMAGE + KEYS,
        "key: [conv: {out: 4, kernel: 1}]",
        "key: [conv: {out: 4, kernel: 1, bias: false}]",
        "the bias of this conv, 4 parameters, changes no output: it makes keys",
    ),
    swap(
        "idle-key-bias",
        IMAGE + KEYS,
        "heads: 2",
        "similarity: cosine",
        "changes no output",
        "of products alone",
    ),
    swap(
        "padded-window",
        "archspec: 1\ninputs: {x: [4, 6, 6]}\nnetwork:\n  - ▸windows: {size: 8, body: [attend]}\n",
        "size: 8",
        "size: 4",
        "a window is larger than the map of 6×6: 28 of 64 positions that are attended to are padding",
    ),
    swap(
        "lone-share",
        IMAGE + "  - ▸conv: {out: 4, share: a}\n  - tanh\n  - ▸conv: {out: 4, share: b}\n",
        "share: b",
        "share: a",
        "nothing else shares weights by the label 'a'",
    ),
    swap(
        "lone-share",
        IMAGE + "  - repeat: {n: 2, body: [conv: {out: 4, bias: false}, batch_norm, ▸relu: {share: a}]}\n",
        "relu: {share: a}",
        "relu",
        "there are no weights to share by the label 'a'",
        "of a layer without weights",
    ),
    swap(
        "lone-share",
        IMAGE + "  - repeat: {n: 3, body: [▸residual: {share: s, body: [relu, tanh]}]}\n",
        "body: [relu, tanh]",
        "body: [relu, conv: 4]",
        "there are no weights to share by the label 's'",
        "of a residual of which every turn takes the same",
    ),
    swap(
        "lone-share",
        IMAGE + "  - repeat: {n: 1, body: [▸attend: {share: s, key: [conv: {out: 4, bias: false}]}]}\n",
        "n: 1",
        "n: 2",
        "nothing else shares weights by the label 's'",
        "of attention's bodies",
    ),
]
