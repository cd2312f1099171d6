"""Proofs that an exported file computes what its torch module computes."""
