"""Files on disk: atomic writing, locks, and archives of arrays."""
