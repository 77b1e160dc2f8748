"""The books in PostgreSQL: the only place of this service where SQL lives."""
