"""Pure rules of inbound deliveries: signatures, facts, verdicts. No I/O, no clock, no third-party import."""
