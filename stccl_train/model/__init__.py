"""The metric: backbone, tokens, contrastive loss, retrieval, and saving and loading it."""
