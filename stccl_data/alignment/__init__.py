"""Alignment of two clips in time: features, dynamic time warping, the path and its scores."""
