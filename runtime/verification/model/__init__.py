"""An opened model file: its values, nodes and facts."""
