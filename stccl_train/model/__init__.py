"""The metric's networks and mathematics: backbone, tokens, contrast, and how a metric is saved."""
