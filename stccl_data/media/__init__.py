"""Read video and audio files; encode and decode JPEG frames."""
