"""Specs with mistakes: each with a mark (`▸`) at its place, its code, and what the message says."""

from __future__ import annotations

from dataclasses import dataclass

from tests.archspec.spec.texts import HEAD, VECTOR

BODY = HEAD + "network:\n"


@dataclass(frozen=True)
class Bad:
    """A spec's text with a mark at each mistake, and what each mistake is, in the order of their places."""

    name: str
    text: str
    expected: tuple[tuple[str, str], ...]


def bad(name: str, text: str, *expected: tuple[str, str]) -> Bad:
    return Bad(name, text, expected)


DOCUMENTS = [
    bad("no version", "▸inputs: {x: [4]}\nnetwork: [relu]\n", ("missing-field", "a document needs `archspec`")),
    bad("later version", "archspec: ▸2\ninputs: {x: [4]}\nnetwork: []\n", ("bad-version", "should be 1")),
    bad("version as a string", "archspec: ▸'1'\ninputs: {x: [4]}\nnetwork: []\n", ("bad-version", "found '1'")),
    bad("true is not 1", "archspec: ▸true\ninputs: {x: [4]}\nnetwork: []\n", ("bad-version", "found true")),
    bad("no network", "▸archspec: 1\ninputs: {x: [4]}\n", ("missing-field", "a spec needs `network`")),
    bad("neither", "▸archspec: 1\n", ("missing-field", "a spec needs `inputs` and `network`")),
    bad(
        "a library is no spec",
        "▸archspec: 1\nblocks: {b: {body: [relu]}}\n",
        ("block-library", "this is a block library, for specs to import"),
    ),
    bad("unknown key", HEAD + "▸parms: {a: 1}\nnetwork: [relu]\n", ("unknown-field", "did you mean 'params'?")),
    bad("name", HEAD + "name: ▸[a]\nnetwork: [relu]\n", ("wrong-type", "`name` of a document should be a string")),
    bad("inputs", "archspec: 1\ninputs: ▸[x]\nnetwork: [relu]\n", ("wrong-type", "`inputs` of a document")),
    bad("no inputs", "archspec: 1\ninputs: ▸{}\nnetwork: [relu]\n", ("bad-value", "should not be empty")),
    bad("no shape", "archspec: 1\ninputs: {x: ▸4}\nnetwork: [relu]\n", ("bad-shape", "a list of one to four entries")),
    bad("five axes", "archspec: 1\ninputs: {x: ▸[1, 2, 3, 4, 5]}\nnetwork: []\n", ("bad-shape", "one to four")),
    bad("free channels", "archspec: 1\ninputs: {x: ▸[C, 8]}\nnetwork: []\n", ("bad-shape", "not a dynamic size")),
    bad("zero extent", "archspec: 1\ninputs: {x: [3, ▸0]}\nnetwork: []\n", ("bad-shape", "from 1, found 0")),
    bad("half extent", "archspec: 1\ninputs: {x: [▸7 / 2]}\nnetwork: []\n", ("bad-shape", "found 3.5")),
    bad("huge extent", "archspec: 1\ninputs: {x: [▸9999999999]}\nnetwork: []\n", ("bad-shape", "found 9999999999")),
    bad("true extent", "archspec: 1\ninputs: {x: [▸true]}\nnetwork: []\n", ("bad-shape", "found true")),
    bad("extent by name", "archspec: 1\ninputs: {x: [3, ▸h]}\nnetwork: []\n", ("unknown-name", "unknown name 'h'")),
    bad("no channels yet", "archspec: 1\ninputs: {x: [▸in_channels]}\nnetwork: []\n", ("unknown-name", "in_channels")),
    bad("input's name", "archspec: 1\ninputs: {▸for: [3]}\nnetwork: []\n", ("bad-name", "no Python word")),
    bad("size", HEAD + "sizes: {▸height: 3}\nnetwork: []\n", ("bad-size", "one capital letter")),
    bad("size of nothing", HEAD + "sizes: {▸H: 3}\nnetwork: []\n", ("unknown-size", "no input has a size 'H'")),
    bad("half a size", "archspec: 1\ninputs: {x: [3, L]}\nsizes: {L: ▸2.5}\nnetwork: []\n", ("bad-size", "found 2.5")),
    bad(
        "size without a value",
        "archspec: 1\ninputs: {x: [3, ▸L]}\nnetwork: []\n",
        ("missing-size", "the size L of the input 'x' has no value; give it in `sizes` or as --size L=…"),
    ),
    bad("param's name", HEAD + "params: {▸1a: 3}\nnetwork: []\n", ("bad-name", "should be a name for expressions")),
    bad("constant's name", HEAD + 'params: {▸"true": 3}\nnetwork: []\n', ("bad-name", "should be a name")),
    bad("reserved name", HEAD + "params: {▸in_channels: 3}\nnetwork: []\n", ("bad-name", "should be a name")),
    bad("function's name", HEAD + "params: {▸max: 3}\nnetwork: []\n", ("bad-name", "should be a name")),
    bad("param as text", HEAD + "params: {a: ▸many}\nnetwork: []\n", ("unknown-name", "unknown name 'many'")),
    bad("huge param", HEAD + "params: {a: ▸1e12}\nnetwork: []\n", ("bad-param", "up to 2,147,483,647")),
    bad("no list of nodes", HEAD + "network: ▸relu\n", ("wrong-type", "`network` of a document should be a list")),
    bad("imports", HEAD + "import: ▸blocks/resnet\nnetwork: []\n", ("wrong-type", "`import` of a document")),
    bad("defaults", HEAD + "defaults: ▸[conv]\nnetwork: []\n", ("wrong-type", "a mapping of node kinds to fields")),
    bad("defaults' kind", HEAD + "defaults: {▸convv: {}}\nnetwork: []\n", ("unknown-node", "did you mean 'conv'?")),
    bad("defaults of none", HEAD + "defaults: {▸tap: {}}\nnetwork: []\n", ("unknown-node", "no node kind 'tap'")),
    bad("defaults' fields", HEAD + "defaults: {conv: ▸3}\nnetwork: []\n", ("wrong-type", "a mapping of fields")),
    bad("defaults' field", HEAD + "defaults: {conv: {▸sride: 2}}\nnetwork: []\n", ("unknown-field", "'stride'?")),
    bad("defaults' value", HEAD + "defaults: {conv: {kernel: ▸0}}\nnetwork: []\n", ("bad-value", "equal to 1")),
]

NODES = [
    bad("unknown node", BODY + "  - ▸max_pol: 2\n", ("unknown-node", "'max_pol'; did you mean 'max_pool'?")),
    bad("unknown word", BODY + "  - relu\n  - ▸frobnicate\n", ("unknown-node", "unknown node 'frobnicate'")),
    bad("unknown field", BODY + "  - conv: {out: 4, ▸kernal: 3}\n", ("unknown-field", "did you mean 'kernel'?")),
    bad("field of a word", BODY + "  - relu: {▸slope: 1}\n", ("unknown-field", "unknown field 'slope' of relu")),
    bad("value of a word", BODY + "  - ▸relu: 5\n", ("wrong-type", "relu has no fields: write `relu` alone")),
    bad("no main field", BODY + "  - ▸conv\n", ("missing-field", "conv needs `out`")),
    bad("a number", BODY + "  - ▸5\n", ("bad-node", "a word, or a mapping with one key")),
    bad("nothing", BODY + "  -▸ \n", ("bad-node", "a word, or a mapping with one key")),
    bad("two keys", BODY + "  - ▸conv: 4\n    relu:\n", ("bad-node", "one key, found `conv` and `relu`")),
    bad("fields not indented", BODY + "  - ▸conv:\n    out: 4\n", ("bad-node", "indent its fields")),
    bad(
        "a list for a number", BODY + "  - conv: {out: ▸[4]}\n", ("bad-value", "`out` of conv should be a whole number")
    ),
    bad("a number for a flag", BODY + "  - conv: {out: 4, bias: ▸1}\n", ("wrong-type", "should be a boolean, found 1")),
    bad("a flag for a number", BODY + "  - conv: {out: ▸true}\n", ("bad-value", "a whole number, found true")),
    bad("a word for a number", BODY + "  - conv: {out: ▸four}\n", ("unknown-name", "unknown name 'four'")),
    bad("a text for a number", BODY + "  - conv: {out: ▸4 of}\n", ("bad-expression", "'4 of' is not an expression")),
    bad("no such word", BODY + "  - conv: {out: 4, init: ▸kaiming}\n", ("bad-value", "should be he or he_fan_out or")),
    bad("too small", BODY + "  - conv: {out: 4, kernel: ▸0}\n", ("bad-value", "greater than or equal to 1, found 0")),
    bad(
        "negative",
        BODY + "  - conv: {out: 4, padding: ▸-1}\n",
        ("bad-value", "`causal` or a whole number from 0, found -1"),
    ),
    bad("too large", BODY + "  - conv: ▸4294967296\n", ("bad-value", "less than or equal to 2147483647")),
    bad("half a channel", BODY + "  - conv: ▸2.5\n", ("bad-value", "should be a whole number, found 2.5")),
    bad("half a channel, computed", BODY + "  - conv: {out: ▸5 / 2}\n", ("bad-value", "a whole number, found 2.5")),
    bad("probability", BODY + "  - dropout: ▸1.5\n", ("bad-value", "less than or equal to 1, found 1.5")),
    bad(
        "even kernel with same",
        BODY + "  - conv: {out: 4, kernel: ▸2}\n",
        ("shape-mismatch", "needs an odd kernel, found 2"),
    ),
    bad(
        "groups and input", BODY + "  - conv: {out: 6, groups: ▸3}\n", ("shape-mismatch", "does not divide the 4 input")
    ),
    bad("groups and output", BODY + "  - conv: {out: 6, groups: ▸4}\n", ("shape-mismatch", "divide the 6 output")),
    bad(
        "too many extents",
        BODY + "  - learned: ▸[4, 3, 3, 3, 3]\n",
        ("bad-value", "should have at most 4 entries, not 5"),
    ),
    bad(
        "no such scale", BODY + "  - upsample: ▸7 / 3\n", ("bad-value", "over one of 2, 3, 4, 5, 6, 8, 16, found 2.33")
    ),
    bad("groups of channels", BODY + "  - group_norm: ▸3\n", ("shape-mismatch", "does not divide the 4 channels")),
    bad("window too large", BODY + "  - max_pool: ▸9\n", ("shape-mismatch", "a window of 9 does not fit into 4×8×8")),
    bad("padding too large", BODY + "  - max_pool: {kernel: 2, padding: ▸2}\n", ("shape-mismatch", "half the kernel")),
    bad("linear on an image", BODY + "  - ▸linear: 3\n", ("shape-mismatch", "put `flatten` before it")),
    bad("conv on a vector", VECTOR + "network:\n  - ▸conv: 3\n", ("shape-mismatch", "one to three spatial axes")),
    bad("fewer channels", BODY + "  - pad_channels: ▸3\n", ("shape-mismatch", "cannot pad 4 channels to 3")),
    bad("node's name", BODY + "  - relu: {name: ▸a.b}\n", ("bad-name", "a name of letters, digits and _")),
    bad("name of torch's", BODY + "  - relu: {name: ▸forward}\n", ("bad-name", "a word of torch's modules")),
    bad("same name", BODY + "  - relu: {name: a}\n  - relu: {name: ▸a}\n", ("duplicate-name", "is called 'a'")),
    bad("name of the input", BODY + "  - relu: {name: ▸x}\n", ("duplicate-name", "or an input, is called 'x'")),
    bad("name taken by counting", BODY + "  - relu\n  - relu: {name: ▸relu_0}\n", ("duplicate-name", "'relu_0'")),
    bad("unknown extension", BODY + "  - ext: {use: ▸swirl}\n", ("extension", "did not allow the extension 'swirl'")),
    bad("nameless extension", BODY + "  - ▸ext: {a: 1}\n", ("missing-field", "ext needs `use`")),
]

STRUCTURE = [
    bad("body", BODY + "  - residual: {body: ▸relu}\n", ("wrong-type", "`body` of residual should be a list of nodes")),
    bad("no body", BODY + "  - ▸residual: {scale: 2}\n", ("missing-field", "residual needs `body`")),
    bad(
        "both shortcuts",
        BODY + "  - ▸residual: {body: [relu], shortcut: [], project: []}\n",
        ("bad-residual", "takes `shortcut` (always used) or `project`"),
    ),
    bad("scale", BODY + "  - residual: {body: [], scale: ▸big}\n", ("unknown-name", "unknown name 'big'")),
    bad("scale's type", BODY + "  - residual: {body: [], scale: ▸true}\n", ("bad-value", "`scale` of residual")),
    bad("survival", BODY + "  - residual: {body: [], survival: ▸2}\n", ("bad-value", "`survival` of residual")),
    bad(
        "residual of another shape",
        BODY + "  - ▸residual: {body: [conv: 5]}\n",
        ("shape-mismatch", "residual adds its body, 5×8×8, to its input, 4×8×8; give `project` or `shortcut`"),
    ),
    bad(
        "projection of another shape",
        BODY + "  - ▸residual: {body: [conv: 5], project: [conv: 6]}\n",
        ("shape-mismatch", "to its projection, 6×8×8"),
    ),
    bad("nothing to count", BODY + "  - ▸repeat: {body: [relu]}\n", ("bad-loop", "needs either `n` or `each`")),
    bad("counted twice", BODY + "  - ▸dense: {n: 1, each: {a: [1]}, body: []}\n", ("bad-loop", "either `n` or `each`")),
    bad("no list", BODY + "  - ▸repeat: {each: {}, body: []}\n", ("bad-loop", "at least one list in `each`")),
    bad("index in each", BODY + "  - ▸repeat: {each: {i: [1]}, body: []}\n", ("bad-loop", "which is the index's name")),
    bad("index's name", BODY + "  - repeat: {n: 1, as: ▸if, body: []}\n", ("bad-name", "should be a name for")),
    bad(
        "unequal lists",
        BODY + "  - repeat: {each: ▸{a: [1, 2], b: [1, 2, 3]}, body: []}\n",
        ("unequal-each", "should be of one length: a has 2, b has 3"),
    ),
    bad("each of a number", BODY + "  - repeat: {each: {a: ▸3}, body: []}\n", ("wrong-type", "should be a list")),
    bad("each of a text", BODY + "  - repeat: {each: {a: ▸b}, body: []}\n", ("unknown-name", "unknown name 'b'")),
    bad("each of a computed", BODY + "  - repeat: {each: {a: ▸1 + 1}, body: []}\n", ("wrong-type", "found 2")),
    bad("negative n", BODY + "  - repeat: {n: ▸-1, body: []}\n", ("bad-value", "a whole number from 0, found -1")),
    bad("half an n", BODY + "  - repeat: {n: ▸1 / 2, body: []}\n", ("bad-value", "from 0, found 0.5")),
    bad("true n", BODY + "  - repeat: {n: ▸true, body: []}\n", ("bad-value", "from 0, found true")),
    bad(
        "a billion", BODY + "  - repeat: {n: ▸1000000000, body: []}\n", ("too-many-nodes", "100,000 nodes; --max-nodes")
    ),
    bad(
        "nested repeats that multiply",
        BODY + "  - repeat: {n: 999, body: [repeat: {n: 999, body: [repeat: {n: ▸999, body: [relu]}]}]}\n",
        ("too-many-nodes", "the spec expands to more than 100,000 nodes"),
    ),
    bad("when of a list", BODY + "  - when: {test: ▸l, then: []}\nparams: {l: [1]}\n", ("bad-value", "found a list")),
    bad("no branch", BODY + "  - add: ▸[]\n", ("bad-value", "should not be empty")),
    bad("branches", BODY + "  - add: [▸relu]\n", ("wrong-type", "should be a list of nodes")),
    bad("fit", BODY + "  - add: {branches: [[]], fit: ▸pat}\n", ("bad-value", "'pad', 'repeat' or 'resize'")),
    bad("unequal branches", BODY + "  - ▸add: [[], [conv: 5]]\n", ("shape-mismatch", "found 4×8×8 and 5×8×8")),
    bad("unequal extents", BODY + "  - ▸concat: [[], [max_pool: 2]]\n", ("shape-mismatch", "equal spatial sizes")),
    bad("unequal factors", BODY + "  - ▸mul: [[], [conv: 5]]\n", ("shape-mismatch", "equal shapes or extents of 1")),
    bad(
        "unequal operands", BODY + "  - ▸max: [[], [global_avg_pool]]\n", ("shape-mismatch", "; `fit: repeat` repeats")
    ),
    bad(
        "nothing to repeat",
        BODY + "  - concat: {branches: [[], [max_pool: 2]], fit: ▸repeat}\n",
        ("shape-mismatch", "fit: repeat needs equal extents or extents of 1, found 4×8×8 and 4×4×4"),
    ),
    bad("unequal axes", BODY + "  - ▸mul: [[], [flatten]]\n", ("shape-mismatch", "found 4×8×8 and 256")),
    bad(
        "off centre",
        BODY + "  - ▸add: {branches: [[], [conv: {out: 4, kernel: 2, padding: 0}]], fit: crop}\n",
        ("shape-mismatch", "cannot cut the centre, 4×7×7, out of 4×8×8"),
    ),
    bad("unknown tap", BODY + "  - tap: start\n  - from: ▸stat\n", ("unknown-tap", "did you mean 'start'?")),
    bad("far tap", BODY + "  - from: ▸nowhere\n", ("unknown-tap", "unknown tap 'nowhere'; known here: x")),
    bad("tap's name", BODY + "  - tap: ▸a b\n", ("bad-name", "'a b' is not a name")),
    bad("tap's expression", BODY + "  - tap: ▸a{b}\n", ("unknown-name", "unknown name 'b'")),
    bad("tap of a fraction", BODY + "  - tap: ▸a{1 / 2}\n", ("bad-expression", "from 0, found 0.5")),
    bad("duplicate output", BODY + "  - output: a\n  - output: ▸a\n", ("duplicate-output", "an output called 'a'")),
    bad("output like an input", BODY + "  - output: ▸x\n", ("duplicate-output", "an input called 'x'")),
    bad("output in a loop", BODY + "  - repeat: {n: 2, body: [output: ▸a]}\n", ("duplicate-output", "called 'a'")),
]

BLOCK = "blocks:\n  b: {args: {width: int, rate: float = 0.5, deep: bool = false}, body: [conv: width]}\n"
BLOCKS = [
    bad("missing argument", HEAD + BLOCK + "network: [▸b]\n", ("missing-argument", "b needs `width`")),
    bad("unknown argument", HEAD + BLOCK + "network: [b: {width: 1, ▸rat: 2}]\n", ("unknown-argument", "'rate'?")),
    bad(
        "far argument", HEAD + BLOCK + "network: [b: {width: 1, ▸q: 2}]\n", ("unknown-argument", "it takes width, rate")
    ),
    bad("bare argument", HEAD + BLOCK + "network: [▸b: 3]\n", ("wrong-type", "b takes named arguments")),
    bad("half an int", HEAD + BLOCK + "network: [b: {width: ▸2.5}]\n", ("wrong-type", "of type int, found 2.5")),
    bad("true for an int", HEAD + BLOCK + "network: [b: {width: ▸true}]\n", ("wrong-type", "type int, found true")),
    bad("list for an int", HEAD + BLOCK + "network: [b: {width: ▸[1]}]\n", ("wrong-type", "a number or an expression")),
    bad("int for a bool", HEAD + BLOCK + "network: [b: {width: 1, deep: ▸1}]\n", ("wrong-type", "type bool, found 1")),
    bad("true for a float", HEAD + BLOCK + "network: [b: {width: 1, rate: ▸true}]\n", ("wrong-type", "of type float")),
    bad("call's name", HEAD + BLOCK + "network: [b: {width: 1, name: ▸1}]\n", ("bad-name", "`name` should be a name")),
    bad(
        "type", HEAD + "blocks: {b: {args: {a: ▸str}, body: []}}\nnetwork: []\n", ("bad-argument", "int, float, bool,")
    ),
    bad("default", HEAD + "blocks: {b: {args: {a: ▸int = 1 +}, body: []}}\nnetwork: []\n", ("bad-expression", "'1 +'")),
    bad(
        "default body", HEAD + "blocks: {b: {args: {a: ▸block = 1}, body: []}}\nnetwork: []\n", ("bad-argument", "none")
    ),
    bad(
        "default's value",
        HEAD + "blocks: {b: {args: {a: ▸int = 0.5}, body: []}}\nnetwork: [b]\n",
        ("wrong-type", "0.5"),
    ),
    bad("let", HEAD + "blocks: {b: {let: {a: ▸c}, body: []}}\nnetwork: [b]\n", ("unknown-name", "unknown name 'c'")),
    bad("block's name", HEAD + "blocks: {▸conv: {body: []}}\nnetwork: []\n", ("bad-name", "a word of the language")),
    bad("odd name", HEAD + "blocks: {▸a-b: {body: []}}\nnetwork: []\n", ("bad-name", "letters, digits and _")),
    bad(
        "a body called like a layer",
        HEAD + "blocks: {b: {args: {▸relu: block}, body: []}}\nnetwork: []\n",
        ("bad-name", "'relu' is a word of the language already"),
    ),
    bad(
        "no body",
        HEAD + "blocks: {b: ▸{args: {}}}\nnetwork: []\n",
        ("missing-field", "`blocks.b` of a document needs `body`"),
    ),
    bad("own recursion", HEAD + "blocks: {b: {body: [▸b]}}\nnetwork: []\n", ("block-cycle", "calls itself: b → b")),
    bad(
        "mutual recursion",
        HEAD + "blocks: {a: {body: [b]}, b: {body: [relu, ▸a]}}\nnetwork: [a]\n",
        ("block-cycle", "a block calls itself: a → b → a"),
    ),
    bad(
        "recursion by a handed body",
        HEAD + "blocks: {a: {args: {f: block}, body: [f]}, b: {body: [a: {f: [▸b]}]}}\nnetwork: [b]\n",
        ("block-cycle", "a block calls itself: b → b"),
    ),
    bad(
        "recursion far down",
        HEAD + "blocks: {b: {body: [residual: {body: [when: {test: 1, then: [], else: [▸b]}]}]}}\nnetwork: [b]\n",
        ("block-cycle", "b → b"),
    ),
    bad(
        "argument of a body",
        HEAD + "blocks: {b: {args: {f: block}, body: [f: {▸a: 1}]}}\nnetwork: []\n",
        ("unknown-argument", "'a'"),
    ),
    bad(
        "a tap of the caller", HEAD + "blocks: {b: {body: [from: ▸t]}}\nnetwork: [tap: t, b]\n", ("unknown-tap", "'t'")
    ),
    bad("an input", HEAD + "blocks: {b: {body: [from: ▸x]}}\nnetwork: [b]\n", ("unknown-tap", "none is known here")),
    bad(
        "a tap of the callee", HEAD + "blocks: {b: {body: [tap: t]}}\nnetwork: [b, from: ▸t]\n", ("unknown-tap", "'t'")
    ),
    bad(
        "a name of the caller",
        HEAD + "blocks: {b: {body: [conv: ▸i]}}\nnetwork: [repeat: {n: 1, body: [b]}]\n",
        ("unknown-name", "'i'"),
    ),
]

SEVERAL = [
    bad(
        "one in each part",
        """\
archspec: 1
inputs: {x: [4, 8, 8]}
▸param: {a: 1}
defaults: {conv: {▸bia: false}}
blocks:
  b:
    args: {width: int}
    body: [▸rellu, conv: {out: width, ▸strid: 2}]
network:
  - ▸b
  - conv: {out: 4, kernel: ▸-3}
  - repeat: {n: 2, body: [relu, ▸lineer]}
""",
        ("unknown-field", "param"),
        ("unknown-field", "bia"),
        ("unknown-node", "rellu"),
        ("unknown-field", "strid"),
        ("missing-argument", "width"),
        ("bad-value", "kernel"),
        ("unknown-node", "lineer"),
    ),
    bad(
        "of the text, of the nodes and of shapes",
        """\
archspec: 1
name: twice
▸name: again
inputs: {x: [4, 8, 8]}
network:
  - ▸residual: {body: [conv: 5]}
  - from: x
  - conv: {out: ▸three}
  - from: x
  - ▸conf: 3
  - from: x
  - linear: ▸2.5
  - from: x
  - ▸linear: 3
""",
        ("duplicate-key", "'name' stands here a second time; the first is in line 2"),
        ("shape-mismatch", "residual"),
        ("unknown-name", "three"),
        ("unknown-node", "'conf'; did you mean 'conv'?"),
        ("bad-value", "2.5"),
        ("shape-mismatch", "flatten"),
    ),
    bad(
        "one mistake is not many",
        """\
archspec: 1
inputs: {x: [4, 8, 8]}
network:
  - ▸cunv: 3
  - tap: a
  - residual: {body: [conv: in_channels], project: [conv: out_channels]}
  - concat: [[], [from: a]]
  - repeat: {n: 3, body: [conv: {out: 2 * in_channels}, from: b]}
  - output: a
""",
        ("unknown-node", "cunv"),
    ),
    bad(
        "a loop says it once",
        HEAD + "network:\n  - repeat: {n: 9, body: [▸linear: 3, from: x]}\n",
        ("shape-mismatch", "linear needs a vector"),
    ),
    bad(
        "duplicate keys",
        """\
archspec: 1
inputs: {x: [4], ▸x: [5]}
▸inputs: {x: [4]}
network:
  - linear: {out: 3, ▸out: 4}
""",
        ("duplicate-key", "'x'"),
        ("duplicate-key", "'inputs'"),
        ("duplicate-key", "'out'"),
    ),
]
