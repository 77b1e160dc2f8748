"""Use cases of webhook ingest: one file each."""
