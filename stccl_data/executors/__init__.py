"""Ways of running one function over many clips so that a crash costs one clip."""
