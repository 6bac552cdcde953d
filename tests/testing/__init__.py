"""Shared fixtures and makers of test inputs."""
