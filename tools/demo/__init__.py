"""The demo: payments of every kind through a real stack, then the proof."""
