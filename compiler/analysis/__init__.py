"""Questions about a graph: one file, one question, one frozen result. None of them needs a framework."""
