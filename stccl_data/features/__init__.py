"""Features that clips are aligned by: speech and mouth movement."""
