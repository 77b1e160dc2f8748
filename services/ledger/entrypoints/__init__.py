"""The ledger's doors: the consumer's routes, the read-only HTTP face and the command line."""
