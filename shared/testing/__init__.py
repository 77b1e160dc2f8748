"""What tests of every service share: infrastructure, virtual time, waiting, faults."""
