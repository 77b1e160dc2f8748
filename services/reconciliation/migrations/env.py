"""Alembic's entry point: the shared runner does the rest."""

from shared.persistence.migrate import run_environment

run_environment()
