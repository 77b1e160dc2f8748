"""Everything that touches the outside: PostgreSQL and the outbox."""
