"""Everything that touches the outside: PostgreSQL, the outbox, and external processors."""
