"""Sources, files and lines in PostgreSQL: the only place of this service where SQL lives."""
