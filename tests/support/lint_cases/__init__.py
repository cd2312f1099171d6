"""Specs in which each rule of lint finds something, and the same put right."""
