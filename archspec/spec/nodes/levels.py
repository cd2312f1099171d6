"""The word of a way down and a way up, with a skip across each level."""

from __future__ import annotations

from archspec.spec.body import Body
from archspec.spec.nodes.flow import Loop
from archspec.spec.nodes.merges import Fit, MergeWord


class EncoderDecoder(Loop):
    word = "encoder_decoder"
    encoder: Body = ()
    skip: Body = ()
    down: Body = ()
    bottom: Body = ()
    up: Body = ()
    merge: MergeWord = "concat"
    fit: Fit = "error"
    decoder: Body = ()

    settings = ("merge", "fit")
