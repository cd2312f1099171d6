"""Cases of lint rules: a spec in which each finds something, and the same put right."""

from __future__ import annotations

from tests.support.lint_texts import (
    IMAGE,
    VECTOR,
    swap,
)

CASES = [
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - batch_norm\n",
        "conv: 8",
        "conv: {out: 8, bias: false}",
        "the bias of this conv, 8 parameters, is lost in the batch_norm",
    ),
    swap(
        "bias-before-norm",
        VECTOR + "  - ▸linear: 8\n  - norm\n",
        "- norm",
        "- norm: layer",
        "the bias of this linear",
        "which layer normalization keeps",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - group_norm: 8\n",
        "group_norm: 8",
        "group_norm: 4",
        "is lost in the group_norm",
        "in a group for each channel",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - tap: a\n  - batch_norm\n  - add: [[], [from: a, instance_norm]]\n",
        "[from: a, instance_norm]",
        "[from: a]",
        "is lost in the batch_norm and instance_norm",
        "which somebody else reads too",
    ),
    swap(
        "repeated-norm",
        IMAGE + "  - conv: {out: 8, bias: false}\n  - batch_norm\n  - ▸batch_norm\n",
        "batch_norm\n  - batch_norm",
        "batch_norm\n  - relu\n  - batch_norm",
        "this batch_norm undoes the normalization right before it",
    ),
    swap(
        "repeated-norm",
        IMAGE + "  - conv: {out: 8, bias: false}\n  - batch_norm\n  - ▸instance_norm\n",
        "batch_norm",
        "layer_norm",
        "this instance_norm undoes",
        "of samples behind one of batches",
    ),
    swap(
        "repeated-norm",
        IMAGE + "  - conv: 8\n  - layer_norm: {affine: false}\n  - ▸layer_norm\n",
        "{affine: false}",
        "{affine: true}",
        "this layer_norm undoes",
        "over the same numbers",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - scale: 2\n  - max_pool: 2\n  - upsample: 2\n  - concat: [[], []]\n  - batch_norm\n",
        "conv: 8",
        "conv: {out: 8, bias: false}",
        "the bias of this conv, 8 parameters, is lost in the batch_norm",
        "past what passes constants on",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: 8\n  - avg_pool: {kernel: 3, stride: 1}\n  - batch_norm\n",
        "kernel: 3, stride: 1",
        "kernel: 3, stride: 1, padding: 1",
        "is lost in the batch_norm",
        "unless zeros are among what is averaged",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - ▸conv: {out: 1, bias: true}\n  - layer_norm\n",
        "out: 1",
        "out: 2",
        "the bias of this conv, 1 parameters, is lost in the layer_norm",
        "of a single channel",
    ),
    swap(
        "bias-before-norm",
        IMAGE + "  - conv: {out: 8, bias: false}\n  - ▸shift: {trainable: true, per: channel}\n  - batch_norm\n",
        "  - shift: {trainable: true, per: channel}\n  - batch_norm\n",
        "  - batch_norm\n  - shift: {trainable: true, per: channel}\n",
        "what this shift adds, 8 parameters, is lost in the batch_norm",
        "of a shift",
    ),
    swap(
        "dropout-before-norm",
        IMAGE + "  - conv: 8\n  - ▸dropout: 0.2\n  - batch_norm\n",
        "dropout: 0.2\n  - batch_norm",
        "batch_norm\n  - dropout: 0.2",
        "variances up to 1 / 0.8 too large",
    ),
]
