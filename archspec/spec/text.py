"""Text to plain data with marks: YAML 1.2 scalars, no tags, nothing that multiplies; every bound is checked while the
parser's events stream in, before anything is built from them."""

from __future__ import annotations

import codecs
import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import yaml

from archspec.errors import Diagnostic, Place, SpecError
from archspec.file_types import HEAD, ONNX, advise, tell_file_type
from archspec.spec.comments import BREAK, find_comments
from archspec.spec.marked import Items, Marked, Table

MAX_BYTES = 1 << 20
"""The largest document, in bytes."""
MAX_REMEMBERED = 1 << 16
"""The largest document, in bytes, that is remembered when it has been parsed."""
MAX_DEPTH = 64
"""The deepest nesting of a document, in levels."""
MAX_ALIASES = 32
"""The largest number of aliases in a document."""
MAX_NODES = 100_000
"""The largest number of mappings, sequences and scalars in a document, aliases written out."""
MAX_NUMBER = 64
"""The longest number, in characters."""


class Language(NamedTuple):
    """What kind of document is read: what messages call it, and the key that it starts with, if with one."""

    noun: str
    version: str = ""


SPEC = Language("spec", "archspec")

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# U+0085, U+2028 and U+2029 end a line for YAML 1.1, in which the parser was written, and for no editor.
_CONTROL = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IN_JSON_STRINGS = re.compile(r"[\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMA = re.compile(r"\s*,")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def read_file(path: Path, name: str, language: Language = SPEC) -> Marked:
    """The marked data of a file that messages call `name`. Raises SpecError."""
    start = Place(name)
    try:
        if path.is_dir():
            _refuse("unreadable", f"this is a directory, not a {language.noun}", start)
        if path.exists() and not path.is_file():
            _refuse("unreadable", "this is not a regular file", start)
        if path.is_file() and path.suffix.lower() == ".onnx":
            _refuse("unreadable", f"this is {ONNX}, not a {language.noun}", start)
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        _refuse("unreadable", f"cannot be read: {error.strerror or error}", start)
    if kind := tell_file_type(raw[:HEAD]):
        advice = advise(kind, name) if language == SPEC else ""
        _refuse("unreadable", f"this is {kind}, not a {language.noun}{advice}", start)
    return read_bytes(raw, name, language)


def read_sound_file(path: Path, name: str, language: Language = SPEC) -> Marked:
    """The marked data of a file in which nothing is wrong. Raises SpecError with all that is, a key that stands twice
    among it."""
    marked = read_file(path, name, language)
    if marked.mistakes:
        raise SpecError(marked.mistakes)
    return marked


def read_bytes(raw: bytes, name: str, language: Language = SPEC) -> Marked:
    """The marked data of a document's bytes, which nobody changes. Raises SpecError.

    Short documents are remembered: a library is read with every spec that imports it, a spec with every variant that a
    search tries.
    """
    if len(raw) > MAX_BYTES:
        _refuse("too-large", f"a {language.noun} has at most {MAX_BYTES:,} bytes", Place(name))
    return _remember(raw, name, language) if len(raw) <= MAX_REMEMBERED else _parse(raw, name, language)


@lru_cache(maxsize=64)
def _remember(raw: bytes, name: str, language: Language) -> Marked:
    return _parse(raw, name, language)


def _parse(raw: bytes, name: str, language: Language) -> Marked:
    try:
        text = raw.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        _refuse("not-utf8", f"the byte 0x{raw[error.start]:02x} is not UTF-8", _place_after(before, name))
    if name.endswith(".json"):
        text = _json_as_yaml(text)
    if control := _CONTROL.search(text):
        message = f"the character U+{ord(control[0]):04X} is not allowed here; a string in double quotes may escape it"
        _refuse("control-character", message, _place_after(text[: control.start()], name))
    return _Builder(name, text, language).build()


def _json_as_yaml(text: str) -> str:
    """Write JSON as YAML. JSON may be indented with tabs, hold characters in strings that are none or end a line in
    YAML, and write one above U+FFFF as two escapes."""
    text = text.replace("\t", " ")  # there is none inside strings
    text = _IN_JSON_STRINGS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return _SURROGATES.sub(_join_surrogates, text)


def _join_surrogates(match: re.Match[str]) -> str:
    high, low = int(match[2], 16) - 0xD800, int(match[3], 16) - 0xDC00
    return f"{match[1]}\\U{0x10000 + 0x400 * high + low:08X}"


def _place_after(before: str, name: str) -> Place:
    lines = BREAK.split(before)
    return Place(name, len(lines), len(lines[-1]) + 1)


def to_yaml(data: Any) -> str:
    """Write plain data as text that reads as the same data. (PyYAML's own dumper leaves `1e5` unquoted: a string, to
    it.)"""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        looks_otherwise = data in _WORDS or _INT.fullmatch(data) or _FLOAT.fullmatch(data)
        escaped = looks_otherwise or _CONTROL.search(data)
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"' if escaped else None)


_Dumper.add_representer(str, _Dumper.represent_str)


@dataclass
class _Builder:
    """Builds marked data from the parser's events, on a stack of its own."""

    name: str
    text: str
    language: Language
    stack: list[tuple[Table | Items, str | None, int, bool]] = field(default_factory=list)
    """The open containers, each with its anchor, the count of nodes before it, and whether it is in brackets."""
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    mistakes: list[Diagnostic] = field(default_factory=list)
    key: str | None = None
    """The key that waits for its value, in the innermost open mapping."""
    nodes: int = 0
    aliases: int = 0
    documents: int = 0
    root: Any = None
    first: int = 0
    """The line where the document's data starts."""
    strings: list[tuple[int, int]] = field(default_factory=list)
    """The places of the scalars in the text that hold a `#`, which starts no comment."""

    def build(self) -> Marked:
        parser = None
        try:
            parser = _PARSER(self.text)
            while parser.check_event():
                self._take(parser.get_event())
        except yaml.YAMLError as error:
            self._refuse_syntax(error)
        finally:
            if parser is not None:
                parser.dispose()
        if self.documents == 0 or self.root is None:
            noun, version = self.language
            start = f"a {noun} starts with `{version}: 1`" if version else f"a {noun} is wanted"
            _refuse("empty", f"the document is empty; {start}", Place(self.name, 1))
        comments = find_comments(self.text, self.name, self.strings, self.first)
        return Marked(self.root, tuple(self.mistakes), comments)

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.CollectionEndEvent):
            container, anchor, before, _ = self.stack.pop()
            self._keep(anchor, container, self.nodes - before)
            return
        place = self._place(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            self._alias(event, place)
        elif isinstance(event, yaml.NodeEvent):
            self._node(event, place)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                _refuse("many-documents", "a file holds one document; remove this `---` and what follows", place)

    def _node(self, event: Any, place: Place) -> None:
        before = self.nodes
        self._count(1, place)
        self.first = self.first or place.line
        if event.tag is not None:
            _refuse("tag", f"tags are not part of the language: {event.tag}", place)
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, place)
            self._keep(event.anchor, value, 1)
            self._attach(value, place)
            return
        container = Table(place) if isinstance(event, yaml.MappingStartEvent) else Items(place)
        self._attach(container, place)
        if len(self.stack) == MAX_DEPTH:
            _refuse("too-deep", f"a document is at most {MAX_DEPTH} levels deep", place)
        self.stack.append((container, event.anchor, before, bool(event.flow_style)))

    def _alias(self, event: Any, place: Place) -> None:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            _refuse("too-many-aliases", f"a document has at most {MAX_ALIASES} aliases", place)
        if event.anchor not in self.anchors:
            _refuse("unknown-alias", f"no finished anchor '{event.anchor}' before this alias", place)
        value, size = self.anchors[event.anchor]
        self._count(size, place)
        self._attach(value, place)

    def _attach(self, value: Any, place: Place) -> None:
        """Put a value where the innermost open container expects one."""
        container = self.stack[-1][0] if self.stack else None
        if container is None:
            self.root = value
        elif isinstance(container, Items):
            container.append(value)
            container.items_at.append(place)
        elif self.key is None:
            self.key = self._take_key(container, value, place)
        else:
            container[self.key] = value
            container.values_at[self.key] = place
            self.key = None

    def _take_key(self, container: Table, value: Any, place: Place) -> str:
        if not isinstance(value, str):
            _refuse(
                "bad-key", "a key should be a name; quote a number or a word like `true` that is meant as one", place
            )
        if value == "<<":
            _refuse("merge-key", "merge keys are not part of the language; name a block, or use `defaults`", place)
        if value in container.keys_at:
            first = container.keys_at[value]
            message = f"'{value}' stands here a second time; the first is in line {first.line}"
            self.mistakes.append(Diagnostic("duplicate-key", message, place))
        container.keys_at[value] = place
        return value

    def _keep(self, anchor: str | None, value: Any, size: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, size)

    def _count(self, nodes: int, place: Place) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            _refuse("too-large", f"a document has at most {MAX_NODES:,} nodes, aliases written out", place)

    def _scalar(self, event: Any, place: Place) -> Any:
        text: str = event.value
        if "#" in text:
            self.strings.append((event.start_mark.index, event.end_mark.index))
        if not text.isascii() and any(0xD800 <= ord(character) <= 0xDFFF for character in text):
            _refuse("not-utf8", "half a surrogate pair is not a character", place)
        if not event.implicit[0] or event.style:
            return text
        if text.count("(") > text.count(")") and self._cuts(event):
            message = f"a comma ends '{text}' here: quote an expression that holds one inside braces or brackets"
            _refuse("syntax", message, place)
        return self._resolve(text, place)

    def _cuts(self, event: Any) -> bool:
        """Tell whether a comma follows a scalar, inside braces or brackets."""
        return bool(self.stack) and self.stack[-1][-1] and _COMMA.match(self.text, event.end_mark.index) is not None

    def _resolve(self, text: str, place: Place) -> Any:
        """The value of a plain scalar by the core schema of YAML 1.2."""
        if text in _WORDS:
            return _WORDS[text]
        is_int = _INT.fullmatch(text)
        if not (is_int or _FLOAT.fullmatch(text)):
            return text
        if len(text) > MAX_NUMBER:
            _refuse("bad-number", f"a number has at most {MAX_NUMBER} characters", place)
        if is_int:
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        number = math.inf if text[-1] in "fFnN" else float(text)
        if not math.isfinite(number):
            _refuse("bad-number", f"{text} is not a finite number", place)
        return number

    def _place(self, mark: Any) -> Place:
        return Place(self.name, mark.line + 1, mark.column + 1)

    def _refuse_syntax(self, error: yaml.YAMLError) -> NoReturn:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read as YAML"
        context = getattr(error, "context", None)
        place = self._place(mark) if mark else Place(self.name, 1)
        place = min(place, _place_after(self.text, self.name))  # the end of a text counts as a line of its own
        message = f"{context}: {problem}" if context else str(problem)
        _refuse("syntax", message + self._explain_syntax(place), place)

    def _explain_syntax(self, place: Place) -> str:
        """Explain what is known to be meant where the parser stops, as the end of a message."""
        lines = BREAK.split(self.text)[: place.line]
        before, behind = lines[-1][: place.column - 1], lines[-1][place.column - 1 :]
        if behind.startswith("\t"):
            return "; a tab does not indent in YAML: use spaces"
        if behind.startswith("[") and re.search(r"\w$", before):
            return "; quote an expression that holds a bracket inside braces or brackets"
        if self.name.endswith(".json") and any(re.search("//|/[*]", _STRING.sub("", line)) for line in lines):
            return "; JSON has no comments: take YAML, where they start with `#`"
        return ""


def _refuse(code: str, message: str, place: Place) -> NoReturn:
    raise SpecError([Diagnostic(code, message, place)])
