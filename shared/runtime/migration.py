"""Migrations as the command line runs them, on top of ``shared.persistence.migrate``."""

from __future__ import annotations

import sqlalchemy as sa

from shared.persistence.engine import make_engine
from shared.persistence.migrate import migrate
from shared.persistence.schema_version import SchemaBehind, current_revision, require_head
from shared.runtime.settings import ProcessSettings, required


def migrate_service(name: str, settings: ProcessSettings, *, check_only: bool = False) -> tuple[str, str]:
    """Migrate as the owner; returns the revision before and after (or the one due, with ``check_only``)."""
    service = name.replace("-", "_")
    owner_url = required(settings, "owner_database_url")
    engine = make_engine(owner_url, application_name=f"{service}-migrate", pool_size=1)
    try:
        before = _revision(engine)
        if check_only:
            return before, _due(engine, service, before)
    finally:
        engine.dispose()
    return before, migrate(owner_url, service)


def _revision(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        return current_revision(connection) or "empty"


def _due(engine: sa.Engine, service: str, before: str) -> str:
    try:
        require_head(engine, service)
    except SchemaBehind:
        return "head"
    return before
