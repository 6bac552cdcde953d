"""Training: the loop, its checkpoints and logs, and the processes that take part."""
