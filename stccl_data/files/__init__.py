"""Writing files safely: atomic replacement, locks, arrays in npz archives."""
