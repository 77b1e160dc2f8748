"""Use cases of reconciliation: one file each, named by what it does."""
