"""Tracks of a face: landmark backends behind one small interface."""
