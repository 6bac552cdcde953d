"""Does a metric hear speech? Its scores beside controls, a verdict, and the scores of two clips."""
