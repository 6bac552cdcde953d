"""Checks of a prepared dataset: shards, tables and their rules."""
