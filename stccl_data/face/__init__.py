"""From landmarks to crops: pose, smoothing, similarity transforms, and the track of one clip."""
