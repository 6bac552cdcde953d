"""Pairs in the formats of other tools: the published pair file and folders of frames.

docs/interchange.md describes both formats.
"""
