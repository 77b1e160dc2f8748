"""What the processor's objects may do; pure."""
