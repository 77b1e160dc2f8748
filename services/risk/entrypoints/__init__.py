"""The doors of risk: the consumer's routes, the operator API and the command line."""
