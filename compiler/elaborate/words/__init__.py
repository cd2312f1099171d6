"""What each word of the language does on its turn: a file for each subject. Those that every spec may need are loaded
here, those of a word of structure when a spec uses it."""

from compiler.elaborate.words import blocks, layers

__all__ = ["blocks", "layers"]
