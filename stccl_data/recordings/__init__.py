"""From recordings of one's own to clips: find what is said where, plan, label, and withdraw."""
