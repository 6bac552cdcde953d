"""What is known of each corpus, as data."""
