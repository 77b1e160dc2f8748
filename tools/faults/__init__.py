"""Random faults by seed at full load on real parts, and the verdict: books, review queue, deadlines."""
