"""Fields of other frameworks."""

from __future__ import annotations

import pytest

from archspec.errors import SpecError
from archspec.spec.foreign import field_sayings
from archspec.spec.foreign_fields import FIELDS
from tests.archspec.spec.texts import graph_of


def test_each_word_is_said_once_for_each_line() -> None:
    sayings = field_sayings()
    assert [said.written for said in sayings["p"]] == ["padding", "rate", "survival"]
    assert len(sayings) < sum(map(len, map(str.split, FIELDS.splitlines())))


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ("attend: {num_heads: 4}", "unknown field 'num_heads' of attend; here it is `heads`"),
        ("attend: {q: [relu]}", "here it is `query`"),
        ("attend: {attn_mask: 1}", "here it is `causal`"),
        ("attend: {dropout: 0.1}", "a `dropout` is a node of its own"),
        ("attend: {qkv_bias: true}", "it is what the layers in `query`, `key` and `value` say"),
        ("windows: {window_size: 7, body: [attend]}", "here it is `size`"),
        ("slice: {begin: 0}", "here it is `start`"),
        ("slice: {end: 4}", "here it is `stop`"),
        ("slice: {dim: 1}", "here it is `axis`"),
        ("concat: {dim: 1, branches: [[], []]}", "here it is `axis`"),
        ("resize: {scale_factor: 2}", "here it is `like`: a tap or an input, which lends its extents"),
        ("upsample: {align_corners: true}", "here it is `corners`: `aligned` or `half`"),
        ("avg_pool: {kernel: 3, count_include_pad: false}", "here it is `count`: `inside` or `all`"),
        ("pad: {size: 1}", "here it is `before`"),
        ("lstm: {out: 8, bidirectional: true}", "here it is `both`"),
        ("gru: {hidden_size: 8}", "here it is `out`"),
        ("adaptive_avg_pool: {output_size: 6}", "here it is `size`"),
        ("clip: {min: 0}", "here it is `low`"),
        ("upsample: {mode: bilinear}", "found 'bilinear'; along any number of axes it is `linear`"),
        ("pad: {before: 1, mode: replicate}", "found 'replicate'; it is `edge`"),
        ("activation: swish", "found 'swish'; here it is `silu`"),
        ("conv: {out: 8, padding: SAME}", "TensorFlow's SAME is `same_end`"),
        (
            "linear: {out: 4, standardize: true}",
            "of linear; only `conv` has it: before `flatten` a linear layer is `conv",
        ),
        ("conv_transpose: {out: 4, standardize: true}", "and `upsample` enlarges before a `conv`"),
        ("max_pool: {kernel: 2, return_indices: true}", "`max_unpool` names a tap right behind the pooling"),
        ("reduce: {by: avg}", "found 'avg'; it is `mean`"),
    ],
)
def test_fields_of_the_new_words_are_told(node: str, told: str) -> None:
    with pytest.raises(SpecError) as caught:
        graph_of(f"archspec: 1\ninputs: {{x: [16, 8, 8]}}\nnetwork:\n  - {node}\n")
    assert told in str(caught.value)


def test_what_was_found_is_said_once() -> None:
    with pytest.raises(SpecError) as caught:
        graph_of("archspec: 1\ninputs: {x: [16, 8, 8]}\nnetwork:\n  - upsample: {scale: 1.3}\n")
    assert str(caught.value).count("found") == 1
