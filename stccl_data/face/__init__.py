"""Follow a face through a video: smoothing, head pose, face and mouth crops."""
