"""What clips are aligned by: features of speech and of the mouth."""
