"""The metric: backbone, tokens, contrast."""
