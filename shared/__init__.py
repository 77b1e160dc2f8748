"""Mechanism that at least three services need; it names none of them."""
