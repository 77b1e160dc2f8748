"""The ledger: double-entry books that are only ever added to."""
