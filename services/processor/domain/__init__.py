"""Pure rules of attempts: results, ladders, leases, facts. No I/O, no clock, no third-party import."""
