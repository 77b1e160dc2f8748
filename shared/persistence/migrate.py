"""Forward-only schema changes of one service: one runner at a time, short lock waits, checks after steps."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext, MigrationInfo

from shared.persistence.engine import make_engine
from shared.persistence.provision import role_names
from shared.persistence.schema_version import VERSION_TABLE, current_revision, migrations_folder

# A step that cannot get its table at once gives way: everybody queues up behind a waiting ALTER TABLE.
LOCK_TIMEOUT_MS: Final = 5_000
STATEMENT_TIMEOUT_MS: Final = 300_000
# How long one runner waits for another to finish (several pods start at once).
TURN_TIMEOUT_MS: Final = 600_000

_STATEMENT_END: Final = re.compile(r";\s*(?:\n|$)")


class CheckFailed(Exception):  # noqa: N818  # what happened to the step
    """A migration's own check found offending rows; the step was rolled back."""


def migrate(owner_url: str, service: str, *, revision: str = "head", folder: Path | None = None) -> str:
    """Bring the database to ``revision`` and return where it is; safe to repeat and to start twice."""
    engine = make_engine(
        owner_url,
        application_name=f"{service}-migrate",
        pool_size=1,
        statement_timeout_ms=STATEMENT_TIMEOUT_MS,
        lock_timeout_ms=LOCK_TIMEOUT_MS,
    )
    try:
        with engine.connect() as connection:
            _wait_for_turn(connection, service)
            config = _config(service, folder)
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            _protect_version_table(connection, service)
            return current_revision(connection) or ""
    finally:
        # The session ends here, and with it the advisory lock.
        engine.dispose()


def run_environment() -> None:
    """Run inside a service's ``migrations/env.py``; each step is one transaction, followed by its checks."""
    connection: sa.Connection = context.config.attributes["connection"]
    folder = Path(str(context.config.get_main_option("script_location")))

    def check(
        ctx: MigrationContext,  # noqa: ARG001  # alembic passes all four by name
        step: MigrationInfo,
        heads: Collection[Any],  # noqa: ARG001
        run_args: Mapping[str, Any],  # noqa: ARG001
    ) -> None:
        _run_checks(connection, folder, step)

    context.configure(
        connection=connection,
        version_table=VERSION_TABLE,
        transaction_per_migration=True,
        on_version_apply=check,
    )
    with context.begin_transaction():
        context.run_migrations()


def _config(service: str, folder: Path | None) -> Config:
    config = Config()
    # A percent sign in the path would be read as an interpolation.
    location = str(folder or migrations_folder(service)).replace("%", "%%")
    config.set_main_option("script_location", location)
    return config


def _wait_for_turn(connection: sa.Connection, service: str) -> None:
    connection.exec_driver_sql(f"SET lock_timeout = {TURN_TIMEOUT_MS}")
    connection.exec_driver_sql(f"SET statement_timeout = {TURN_TIMEOUT_MS}")
    connection.exec_driver_sql("SELECT pg_advisory_lock(hashtext(%(name)s))", {"name": f"migrate {service}"})
    connection.exec_driver_sql(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
    connection.exec_driver_sql(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}")
    connection.commit()


def _run_checks(connection: sa.Connection, folder: Path, step: MigrationInfo) -> None:
    for revision in step.up_revision_ids:
        path = folder / "checks" / f"{revision}.sql"
        for query in _queries(path):
            offending = connection.exec_driver_sql(query).first()
            if offending is not None:
                raise CheckFailed(f"{path.name} found {tuple(offending)} for: {' '.join(query.split())}")


def _queries(path: Path) -> Iterable[str]:
    if not path.exists():
        return []
    return [
        query.strip() for query in _STATEMENT_END.split(path.read_text(encoding="utf-8")) if query.strip()
    ]


def _protect_version_table(connection: sa.Connection, service: str) -> None:
    app = role_names(service)["app"]
    connection.exec_driver_sql(f"REVOKE INSERT, UPDATE, DELETE ON {VERSION_TABLE} FROM {app}")
    connection.commit()
