"""Windows of aligned frames: drawing them from the shards, shuffling them and making batches."""
