"""Thin edges: HTTP, workers, command line."""
