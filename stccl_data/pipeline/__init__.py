"""One run of `stccl prepare`: stages, state, artefacts, and the dataset it writes."""
