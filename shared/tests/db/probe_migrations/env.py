"""Migrations of a service that exists only here."""

from shared.persistence.migrate import run_environment

run_environment()
