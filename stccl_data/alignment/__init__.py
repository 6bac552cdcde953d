"""Warping one clip onto another: dynamic time warping of sound and mouth, and what the path is worth."""
