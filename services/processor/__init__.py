"""Calls external processors for `payment`: attempts, look-ups, feeds."""
