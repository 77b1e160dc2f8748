"""Rules, attempts and decisions in PostgreSQL: the only place of this service where SQL lives."""
