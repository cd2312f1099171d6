"""Reading of a whole `Spec` from a name or a file: imports resolved, variants applied, parameters set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archspec.errors import Diagnostic, Mistakes, Place, SpecError, suggest
from archspec.ops import Op
from archspec.spec.blocks import Block, list_inputs, read_signature
from archspec.spec.comments import Comment
from archspec.spec.defaults import merge_defaults
from archspec.spec.definitions import Definitions, list_definitions
from archspec.spec.document import Document
from archspec.spec.inputs import InputShape, is_size
from archspec.spec.marked import Items, Marked, Table, place_in
from archspec.spec.messages import report_invalid
from archspec.spec.params import explain_mismatch
from archspec.spec.reading import Reading
from archspec.spec.recursion import find_recursion
from archspec.spec.spec import Spec, set_params
from archspec.spec.suggestions import suggest_field
from archspec.spec.text import read_file
from archspec.spec.zoo import find_import, find_spec, real_path, shown

MAX_FILES = 64
"""The largest number of files that one spec is made of, itself among them."""
LIBRARY_KEYS = {"archspec", "name", "description", "source", "defaults", "import", "blocks"}


def read_spec(source: str | Path, params: Mapping[str, Any] | None = None) -> Spec:
    """Read a spec from a file or, by its name, from the zoo; `params` override the spec's own.

    What can still be read is read: the mistakes are in the result. Raises SpecError where nothing can be.
    """
    path = find_spec(source)
    reader = SpecReader(root=real_path(path).parent)
    spec = reader.read_whole(path)
    spec = replace(spec, mistakes=tuple(reader.mistakes), comments=tuple(reader.comments))
    return set_params(spec, params or {})


def load(
    source: str | Path, params: Mapping[str, Any] | None = None, *, extensions: Mapping[str, type[Op]] | None = None
) -> Spec:
    """Load a spec as `read_spec` does, but raise SpecError with every mistake that was found. `extensions` are the
    operations that its `ext` nodes may use, by name, wherever it is compiled.

    >>> archspec.load("residual_mlp", params={"blocks": 2}).params["blocks"]
    2
    """
    spec = read_spec(source, params)
    if spec.mistakes:
        raise SpecError(spec.mistakes)
    return replace(spec, extensions=dict(extensions)) if extensions else spec


@dataclass
class SpecReader:
    """Reads a spec with everything that it imports and extends."""

    root: Path
    """The folder of the spec; imports stay inside it or inside the zoo."""
    mistakes: list[Diagnostic] = field(default_factory=Mistakes)
    comments: list[Comment] = field(default_factory=list)
    libraries: dict[Path, dict[str, Block]] = field(default_factory=dict)
    networks: dict[Path, Spec] = field(default_factory=dict)
    """The specs whose networks are blocks of others."""
    trail: list[Path] = field(default_factory=list)
    """The real paths of the files that led to the one that is being read."""

    def read_whole(self, path: Path, inline: Table | None = None) -> Spec:
        """Read a spec from its file, or from a document written out in that file."""
        document, written, blocks = self._read_document(path, inline)
        name = document.name or path.stem
        if document.extends is not None:
            return self._extend(document, written, path, name)
        missing = [f"`{key}`" for key in ("inputs", "network") if getattr(document, key) is None]
        if len(missing) == 2 and document.blocks:
            message = "this is a block library, for specs to import; a network needs `inputs` and `network`"
            raise SpecError([*self.mistakes, Diagnostic("block-library", message, written.at)])
        if missing:
            message = f"a spec needs {' and '.join(missing)}"
            raise SpecError([*self.mistakes, Diagnostic("missing-field", message, written.at)])
        definitions = self._define(document, written)
        params, let = self._evaluate(definitions)
        assert document.inputs is not None
        assert document.network is not None
        return Spec(
            name=name,
            description=document.description or "",
            source=document.source or "",
            file=written.at.file,
            params=params,
            let=let,
            definitions=definitions,
            inputs=document.inputs,
            inputs_written=written["inputs"],
            sizes=document.sizes,
            defaults=document.defaults,
            blocks=blocks,
            network=document.network,
            expect=_list_expectations(document, written),
            written=written,
        )

    def _extend(self, document: Document, written: Table, path: Path, name: str) -> Spec:
        for key in ("let", "import", "blocks", "network"):
            if key not in written:
                continue
            message = f"a variant replaces params, inputs, sizes and defaults; `{key}` comes from {document.extends}"
            self._report("bad-variant", message, written.keys_at[key])
        base_path = self._locate(str(document.extends), path, written.values_at["extends"], "extends")
        with_base = [*self.trail, path.resolve()]
        if base_path in with_base:
            raise SpecError([*self.mistakes, self._cycle(base_path, with_base, written.values_at["extends"])])
        self.trail.append(path.resolve())
        base = self.read_whole(base_path)
        self.trail.pop()
        inputs, inputs_written = self._replace_inputs(base, document, written)
        letters = {entry: 1 for shape in inputs.values() for entry in shape if is_size(entry)}
        usual = {name: value for name, value in base.sizes.items() if name in letters or name not in base.letters}
        sizes = {**usual, **self._replacements(letters, document.sizes, written, "sizes")}
        definitions, params, let = self._replace_params(base, document, written)
        defaults = merge_defaults(base.defaults, document.defaults)
        merged = base.written.copy_with(
            defaults=merge_defaults(base.written.get("defaults"), written.get("defaults")), inputs=inputs_written
        )
        return replace(
            base,
            name=name,
            description=document.description or base.description,
            source=document.source or base.source,
            file=written.at.file,
            params=params,
            let=let,
            definitions=definitions,
            inputs=inputs,
            inputs_written=inputs_written,
            sizes=sizes,
            defaults=defaults,
            expect=_list_expectations(document, written),
            written=merged,
        )

    def _define(self, document: Document, written: Table) -> Definitions:
        """The params and `let` of a document, as written."""
        for name in document.params.keys() & document.let.keys():
            message = f"`let` gives a value to '{name}', which is a param; rename one of them"
            self._report("duplicate-name", message, place_in(written, ("let", name), written.at, key=True))
        return Definitions(*(list_definitions(getattr(document, key), written, key) for key in ("params", "let")))

    def _evaluate(self, definitions: Definitions) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        try:
            return definitions.evaluate()
        except SpecError as error:
            raise SpecError([*self.mistakes, *error.diagnostics]) from None

    def _replace_params(
        self, base: Spec, document: Document, written: Table
    ) -> tuple[Definitions, Mapping[str, Any], Mapping[str, Any]]:
        """The names of a variant: its params in the place of its base's, where they are of the same sort."""
        own = list_definitions(document.params, written, "params")
        known = {name: item for name, item in own.items() if name in base.params}
        definitions = base.definitions.with_params(known)
        params, let = self._evaluate(definitions)
        found = {name: params.get(name) for name in own}
        fitting = self._replacements(base.params, found, written, "params")
        if fitting.keys() != known.keys():
            definitions = base.definitions.with_params({name: own[name] for name in fitting})
            params, let = self._evaluate(definitions)
        return definitions, params, let

    def _replace_inputs(self, base: Spec, document: Document, written: Table) -> tuple[Mapping[str, InputShape], Table]:
        """The shapes of a variant's inputs: its own in the place of its base's, also of another rank."""
        inputs, inputs_written = dict(base.inputs), base.inputs_written.copy_with()
        for name, shape in (document.inputs or {}).items():
            if name in inputs:
                inputs[name] = shape
                inputs_written.take(name, written["inputs"])
                continue
            listing = suggest(name, inputs) or f"; it has {', '.join(inputs)}"
            message = f"a variant gives its base's inputs other shapes, and {base.name} has no input '{name}'{listing}"
            self._report("bad-variant", message, place_in(written, ("inputs", name), written.at, key=True))
        return inputs, inputs_written

    def _replacements(
        self, base: Mapping[str, Any], own: Mapping[str, Any], written: Table, key: str
    ) -> Mapping[str, Any]:
        """List what a variant sets, as far as it can replace something of its base."""
        fitting: dict[str, Any] = {}
        for name, value in own.items():
            problem = explain_mismatch(name, value, base, key)
            if problem is None:
                fitting[name] = value
                continue
            code = ("unknown-" if name not in base else "bad-") + key.removesuffix("s")
            self._report(code, problem, place_in(written, (key, name), written.at, key=name not in base))
        return fitting

    def _read_document(self, path: Path, inline: Table | None = None) -> tuple[Document, Table, dict[str, Block]]:
        """A document, its marked data, and the blocks it sees."""
        if len(self.libraries) + len(self.networks) + len(self.trail) > MAX_FILES:
            raise SpecError(
                [Diagnostic("too-large", f"a spec is made of at most {MAX_FILES} files", Place(shown(path)))]
            )
        written = self._read_text(path) if inline is None else inline
        imported = self._read_imports(written, path)
        reading = Reading(written.at.file, mistakes=self.mistakes)
        reading.signatures = {name: block.signature for name, block in imported.items()}
        own = written.get("blocks")
        own = own if isinstance(own, Table) else Table(written.at)
        for name, block in own.items():
            if name in imported:
                self._report(
                    "duplicate-block", f"the block '{name}' is imported too; rename one of them", own.keys_at[name]
                )
            reading.signatures[name] = read_signature(block)
        networks = self._read_networks(own, path)
        for name, spec in networks.items():
            reading.signatures[name] = {**reading.signatures[name], **list_inputs(spec)}
        try:
            document = Document.model_validate(self._drop_unknown(written), context=reading)
        except ValidationError as error:
            report_invalid(error, Document, "a document", written, written.at, written.at, self.mistakes)
            raise SpecError(self.mistakes) from None
        for name, spec in networks.items():
            document.blocks[name] = document.blocks[name].with_spec(spec)
        blocks = {**imported, **document.blocks}
        cycle = find_recursion(document.blocks)
        if cycle is not None:
            raise SpecError([*self.mistakes, cycle])
        return document, written, blocks

    def _drop_unknown(self, written: Table) -> dict[str, Any]:
        """The document without keys that the language does not know: a slip there hides no mistake in the network."""
        known = [info.alias or name for name, info in Document.model_fields.items()]
        for key in [key for key in written if key not in known]:
            message = f"unknown field '{key}' of a document{suggest_field(key, known)}"
            self._report("unknown-field", message, written.keys_at[key])
        return {key: value for key, value in written.items() if key in known}

    def _read_text(self, path: Path) -> Table:
        name = shown(path)
        marked: Marked = read_file(path, name)
        self.mistakes.extend(marked.mistakes)
        self.comments.extend(marked.comments)
        if not isinstance(marked.data, Table):
            raise SpecError(
                [Diagnostic("wrong-type", "a document is a mapping that starts with `archspec: 1`", Place(name, 1))]
            )
        if "recipe" in marked.data and "archspec" not in marked.data:
            message = "this is a recipe, not a spec: `archspec train SPEC --recipe FILE` takes it"
            raise SpecError([Diagnostic("wrong-type", message, marked.data.keys_at["recipe"])])
        return marked.data

    def _read_imports(self, written: Table, path: Path) -> dict[str, Block]:
        paths = written.get("import")
        blocks: dict[str, Block] = {}
        if not isinstance(paths, Items):
            return blocks  # absent, or wrong, which the document's model says
        for item, place in zip(paths, paths.items_at, strict=True):
            if not isinstance(item, str):
                continue
            for name, block in self._import(
                self._locate(item, path, place, "import"), [*self.trail, path.resolve()], place
            ).items():
                if name in blocks and blocks[name] is not block:
                    self._report("duplicate-block", f"two imported libraries have a block '{name}'", place)
                blocks[name] = block
        return blocks

    def read_library(self, path: Path) -> dict[str, Block]:
        """Read the blocks of a library and of those that it imports."""
        document, written, blocks = self._read_document(path)
        for key in [key for key in written if key not in LIBRARY_KEYS]:
            message = f"a block library has no `{key}`; its blocks see their arguments and the importing spec's params"
            self._report("bad-library", message, written.keys_at[key])
        own = {
            name: block.within(document.defaults, written.get("defaults")) for name, block in document.blocks.items()
        }
        return {**blocks, **own}

    def _read_networks(self, blocks: Table, path: Path) -> dict[str, Spec]:
        """Read the specs that blocks of a document name, by the names of the blocks."""
        named = {name: block for name, block in blocks.items() if isinstance(block, Table) and "network" in block}
        found = {}
        for name, block in named.items():
            value, place = block["network"], block.values_at["network"]
            if isinstance(value, str):
                found[name] = self._read_network(self._locate(value, path, place, "network"), path, place)
            elif isinstance(value, Table):
                found[name] = self._read_inner(path, place, value)
        return found

    def _read_network(self, path: Path, outer: Path, place: Place) -> Spec:
        trail = [*self.trail, outer.resolve()]
        if path in trail:
            raise SpecError([*self.mistakes, self._cycle(path, trail, place)])
        if path not in self.networks:
            self.trail, before = trail, self.trail
            self.networks[path] = self._read_inner(path, place)
            self.trail = before
        return self.networks[path]

    def _read_inner(self, path: Path, place: Place, inline: Table | None = None) -> Spec:
        """Read a spec for a block; that it is a library is a mistake of the block."""
        try:
            return self.read_whole(path, inline)
        except SpecError as error:
            message = f"{path.stem} is a block library, which has no network; its blocks come by `import`"
            library = Diagnostic("bad-block", message, place)
            mistakes = [library if item.code == "block-library" else item for item in error.diagnostics]
            raise SpecError(mistakes) from None

    def _import(self, path: Path, trail: list[Path], place: Place) -> dict[str, Block]:
        if path in trail:
            raise SpecError([*self.mistakes, self._cycle(path, trail, place)])
        if path not in self.libraries:
            self.trail, outer = trail, self.trail
            self.libraries[path] = self.read_library(path)
            self.trail = outer
        return self.libraries[path]

    def _locate(self, name: str, path: Path, place: Place, key: str) -> Path:
        try:
            return find_import(name, path, self.root, by_name=key in ("extends", "network"))
        except LookupError as error:
            code, message = error.args
            raise SpecError([*self.mistakes, Diagnostic(code, message, place)]) from None

    def _cycle(self, path: Path, trail: list[Path], place: Place) -> Diagnostic:
        names = " → ".join(item.stem for item in [*trail[trail.index(path) :], path])
        return Diagnostic("import-cycle", f"files include each other: {names}", place)

    def _report(self, code: str, message: str, place: Place) -> None:
        self.mistakes.append(Diagnostic(code, message, place))


def _list_expectations(document: Document, written: Table) -> tuple[tuple[str, Place], ...]:
    return tuple(zip(document.expect, written["expect"].items_at, strict=True)) if document.expect else ()
