"""Which clips form pairs, and which pairs are accepted."""
