"""What people look at: plots, side-by-side videos, summaries."""
