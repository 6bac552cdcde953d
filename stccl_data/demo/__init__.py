"""Rendered corpora with known truth, for tests and for a first look."""
