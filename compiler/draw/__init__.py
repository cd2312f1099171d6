"""Pictures of a graph: its blocks folded and laid out once, then written as SVG, page, Mermaid or Graphviz source.

`blocks` says what one box stands for, `wires` what leads from box to box, `grid` where boxes lie. Each writer takes
these and chooses only how they look.
"""
