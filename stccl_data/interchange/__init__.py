"""Pairs in the forms that others read and write: the published pair file, audited, written and read, and the folders of frames.

docs/interchange.md describes both forms.
"""
