"""Windows of aligned frames, read from the shards."""
