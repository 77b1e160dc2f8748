"""Migrations as the command line runs them, and as a start-up check, on top of ``shared.persistence.migrate``."""

from __future__ import annotations

import sqlalchemy as sa

from shared.persistence.engine import make_engine
from shared.persistence.migrate import SchemaBehind, current_revision, migrate, require_head
from shared.runtime.settings import ProcessSettings, required
from shared.runtime.startup import StartupCheck, check


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


def schema_check(engine: sa.Engine, name: str) -> StartupCheck:
    """A process refuses to start on a schema older than its code."""
    return check("schema", lambda: require_head(engine, name.replace("-", "_")))


def _revision(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        return current_revision(connection) or "empty"


def _due(engine: sa.Engine, service: str, before: str) -> str:
    try:
        require_head(engine, service)
    except SchemaBehind:
        return "head"
    return before
