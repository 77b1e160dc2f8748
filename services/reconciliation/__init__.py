"""Reconciliation: what we did, what processors say and what the bank says, explained to zero."""
