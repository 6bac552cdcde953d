"""Pairs of clips: candidates by label, the content check, gates, and imported pairs."""
