"""Reconciliation's HTTP API, consumer and command line."""
