"""Use cases of the processor service: one file each."""
