"""Pure types and the only door to time, randomness and process death."""
