"""Reading video and sound, and JPEG frames."""
