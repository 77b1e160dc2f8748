"""How webhook ingest is reached: HTTP and the command line."""
