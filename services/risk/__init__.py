"""Risk: what the rules say of each operation that asks, by rules that two people put in force."""
