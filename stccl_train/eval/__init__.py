"""Whether a metric hears speech: scores beside controls."""
