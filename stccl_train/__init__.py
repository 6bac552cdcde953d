"""Shards in, the spatial and temporal coherent correlation metrics out."""
