"""The processor's use cases, one file each."""
