"""The codes of mistakes in specs: what each says is wrong, and what puts it right. Codes keep their meaning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """One code: what is wrong, what to do, and why it matters where that takes more words."""

    code: str
    summary: str
    remedy: str
    explanation: str = ""

    def to_dict(self) -> dict[str, str]:
        names = ("code", "summary", "explanation", "remedy")
        return {name: getattr(self, name) for name in names if getattr(self, name)}


MISTAKES: tuple[Code, ...] = (
    Code(
        "bad-block",
        "a block is neither a body nor a network, or has what only the other one has",
        "give it a `body`, with `defaults` if need be, or the name of a spec as its `network`, with `params`",
    ),
    Code(
        "bad-branches",
        "a merge has neither a list of branches nor a loop with a body, or both",
        "give `add`, `concat`, `mul` or `shake` a list of bodies, or `n` or `each` with one `body`",
    ),
    Code(
        "bad-argument",
        "a block's argument is declared with no type, or a default that it cannot have",
        "declare it as `int`, `float`, `bool`, `list` or `block`, with a default as in `int = 1` or `block = none`",
    ),
    Code(
        "bad-expression",
        "an expression cannot be parsed, uses something that is not allowed, or has no value",
        "use numbers, names in scope, + - * / // % **, comparisons, and, or, not, if-else, lists with their items and "
        "slices, min, max, len, round and sum",
    ),
    Code(
        "bad-expectation",
        "a condition in `expect` cannot be read, or not be decided",
        "write KEY <= VALUE as for `archspec assert`, with a key of `analyze --json` or one of its short words",
    ),
    Code(
        "bad-key",
        "a key is not a name",
        "quote a number, or a word such as `true`, that is meant as a name",
    ),
    Code(
        "bad-library",
        "a block library has a key that only a network has",
        "leave a library its blocks, defaults and imports; give a block an argument for what it needs from the spec",
    ),
    Code(
        "bad-loop",
        "a loop has both or neither of `n` and `each`, or an empty `each`",
        "give `n`, or `each` with at least one list, and name turns otherwise than the lists",
    ),
    Code(
        "bad-name",
        "a name is no name, or taken by the language, Python or torch",
        "take letters, digits and _, starting with a letter, and no word of the language, of Python or of torch's "
        "modules",
    ),
    Code(
        "bad-node",
        "a node has several keys, or is neither a word nor a mapping",
        "start a new list item for each node, and indent a node's fields below it",
    ),
    Code(
        "bad-number",
        "a number is not finite, or too long",
        "write a finite number of at most 64 characters",
    ),
    Code(
        "bad-param",
        "a param's value is of another sort than the one it replaces, or no number, boolean or list",
        "give a value of the same sort as the spec's own: number, boolean or list",
    ),
    Code(
        "bad-residual",
        "a residual has both `shortcut` and `project`",
        "keep `project`, which is used where shapes differ, or `shortcut`, which is always used",
    ),
    Code(
        "bad-shape",
        "an input's shape is not a list of one to four extents, channels first",
        "list one to four whole numbers, expressions over params or capital letters; the channels come first, and are "
        "no letter",
    ),
    Code(
        "bad-size",
        "a size is not a whole number from 1, or its name not a capital letter",
        "give a whole number from 1, and name a size by one capital letter",
    ),
    Code(
        "bad-value",
        "a value is out of its bounds, or not one of the words that its field takes",
        "take a value that the message names; docs/ops.md has the bounds of every field",
    ),
    Code(
        "bad-variant",
        "a variant has what it takes over from the other spec",
        "leave it to the other spec, or copy that one and drop `extends`",
    ),
    Code(
        "bad-version",
        "`archspec` is not 1",
        "write `archspec: 1`",
    ),
    Code(
        "block-cycle",
        "a block leads to itself",
        "let no block call itself, directly or by others; repeat with `repeat`, `dense` or `encoder_decoder`",
    ),
    Code(
        "control-character",
        "the text holds a character that cannot be printed",
        'remove it, or write it in double quotes as an escape, as in "\\t"',
    ),
    Code(
        "duplicate-block",
        "two blocks have one name",
        "rename one of them, or drop an import",
    ),
    Code(
        "duplicate-key",
        "a key stands twice in its mapping",
        "keep one of the two",
    ),
    Code(
        "duplicate-name",
        "two nodes of a body have one name, or a node has an input's",
        "rename one of them, or leave its name to the program",
    ),
    Code(
        "duplicate-output",
        "two outputs have one name, or an output has an input's",
        'give each output a name of its own; in a loop, one with its turn, as in `output: "heatmap{i}"`',
    ),
    Code(
        "empty",
        "there is nothing in the file",
        "start with `archspec: 1`; `archspec init NAME.yaml` writes a small spec",
    ),
    Code(
        "extension",
        "an `ext` node uses what the caller did not allow",
        "allow it where the spec is compiled: `--allow FILE.py:CLASS`, or `elaborate(spec, extensions={name: class})`",
    ),
    Code(
        "import-cycle",
        "files include each other",
        "move what both need into a third file",
    ),
    Code(
        "import-outside",
        "an import leads out of the spec's folder and the zoo",
        "copy the file beside the spec; imports are relative paths inside its folder, or names in the zoo",
    ),
    Code(
        "many-documents",
        "a file holds more than one document",
        "remove `---` and what follows, or make two files",
    ),
    Code(
        "merge-key",
        "`<<`",
        "make a block of what is shared, or put it into `defaults`",
    ),
    Code(
        "missing-argument",
        "a block is called without an argument that has no default",
        "give it where the block is called, or declare a default",
    ),
    Code(
        "block-library",
        "this document holds blocks for others to import, and was asked for as a network",
        "name a spec that imports it",
    ),
    Code(
        "missing-field",
        "a needed field or key is not there",
        "give the field, here or, for a layer's, in `defaults`",
    ),
    Code(
        "missing-size",
        "a dynamic size has no value",
        "give it in `sizes`, or on the command line as `--size H=224`",
    ),
    Code(
        "not-utf8",
        "the bytes are not UTF-8",
        "save the file as UTF-8",
    ),
    Code(
        "shape-mismatch",
        "values do not fit each other, or a layer's fields",
        "change the channels or the stride that the message points to, give a residual a `project`, or take a size "
        "that it names",
    ),
    Code(
        "syntax",
        "the text is not YAML",
        "look at the place and just before it: indentation, a bracket or a quote",
    ),
    Code(
        "tag",
        "a YAML tag",
        "remove it; plain values need none",
    ),
    Code(
        "too-deep",
        "nodes or brackets nest too deep",
        "move the inner part into a block of its own",
    ),
    Code(
        "too-large",
        "one of the other bounds on the text is passed",
        "split the file by `import`, or use loops; docs/language.md has the bounds",
    ),
    Code(
        "too-many-aliases",
        "more aliases than allowed",
        "make a block of what is repeated",
    ),
    Code(
        "too-many-nodes",
        "the spec expands to more nodes than allowed",
        "look for a loop that turns too often, or raise the bound with `--max-nodes`",
    ),
    Code(
        "unequal-each",
        "the lists of `each` differ in length",
        "give the lists of `each` one length",
    ),
    Code(
        "unequal-share",
        "two layers share their weights, and are not the same layer with the same weights",
        "give them the same fields and inputs with the same channels, or another label by an expression: `head{i}`",
    ),
    Code(
        "unknown-alias",
        "an alias has no anchor before it",
        "write the anchor, `&name`, before the alias, and close its value first",
    ),
    Code(
        "unknown-argument",
        "a block has no such argument",
        "see the block's `args`; the message names a near one or all",
    ),
    Code(
        "unknown-field",
        "a node or document has no such field",
        "see docs/ops.md for a layer's fields; the message names a near one",
    ),
    Code(
        "unknown-import",
        "there is no such file",
        "check the path: beside the importing file, or in the zoo, as in `blocks/resnet`",
    ),
    Code(
        "unknown-name",
        "an expression uses a name that is not in scope",
        "declare it in `params`, `args` or `let`, or as a loop's name; taps of values are read with `from`",
    ),
    Code(
        "unknown-node",
        "no layer, structure node or block has this name",
        "see docs/ops.md for the layers; a block has to stand in `blocks`, or in a library that is imported",
    ),
    Code(
        "unknown-param",
        "the spec has no such param",
        "see the spec's `params`, or those of the spec that a variant extends",
    ),
    Code(
        "unknown-size",
        "no input has this size",
        "use a letter of the inputs' shapes",
    ),
    Code(
        "unknown-recipe",
        "there is no such file, and no recipe of that name in the zoo",
        "see `archspec list --recipes` for the names, or give a file with its suffix",
    ),
    Code(
        "unknown-spec",
        "there is no such file, and none of that name in the zoo",
        "see `archspec list` for the zoo's names, or give a file with its suffix",
    ),
    Code(
        "unknown-tap",
        "`from` names nothing that is known there",
        "set it with `tap` before, in the same block; blocks see no taps of their caller",
    ),
    Code(
        "unknown-value",
        "a block should give the value of a node that its network does not have",
        "name a node by its id in that spec, which `archspec show` lists, or a scope of it for the last node in there",
    ),
    Code(
        "unmet-expectation",
        "the network does not have what the spec expects of it",
        "change the network, or the condition in `expect`",
        "A spec expects something of its network as written: with other params or sizes it is not asked.",
    ),
    Code(
        "unreadable",
        "the file is not there, a directory, or cannot be read",
        "check the path and the file's permissions",
    ),
    Code(
        "wrong-numbers",
        "a layer computes with whole numbers, or `embedding` gets others than whole ones",
        "say `type: int` of an input of whole numbers, and put `embedding` before every other layer",
    ),
    Code(
        "wrong-type",
        "a value is of the wrong type, such as a list where a number belongs",
        "write the value as the message says; a string may have to lose its quotes",
    ),
)
"""Every code that a diagnostic may have, as docs/language.md lists them."""

FAILURES: tuple[Code, ...] = (
    Code(
        "failed",
        "the command could not answer, for the reason in its message",
        "do what the message says",
    ),
    Code(
        "missing-extra",
        "a library is not installed that this command needs",
        "install the extra that the message names",
    ),
    Code(
        "usage",
        "the words after `archspec` make no command",
        "see `archspec COMMAND --help`",
    ),
)
"""The codes of what is wrong elsewhere than in a spec, in what commands print with `--json`."""
