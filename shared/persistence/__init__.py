"""PostgreSQL: the only commit in the code base, the outbox, and the schema's life."""
