"""Forward-only schema changes of one service: one runner at a time, short lock waits, checks after steps."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import ScriptDirectory

from shared.kernel.errors import InvariantViolation
from shared.persistence.engine import make_engine
from shared.persistence.provision import role_names

# A step that cannot get its table at once gives way: everybody queues up behind a waiting ALTER TABLE.
LOCK_TIMEOUT_MS: Final = 5_000
STATEMENT_TIMEOUT_MS: Final = 300_000
# How long one runner waits for another to finish (several pods start at once).
TURN_TIMEOUT_MS: Final = 600_000
VERSION_TABLE: Final = "alembic_version"

_STATEMENT_END: Final = re.compile(r";\s*(?:\n|$)")


class SchemaBehind(Exception):  # noqa: N818  # a state of the database
    """The database is older than this code; the message says in one line what to do."""


class CheckFailed(Exception):  # noqa: N818  # what happened to the step
    """A migration's own check found offending rows; the step was rolled back."""


def migrations_folder(service: str) -> Path:
    """Return the service's migrations, wherever its package is installed."""
    spec = importlib.util.find_spec(f"services.{service}")
    if spec is None or not spec.submodule_search_locations:
        raise InvariantViolation("service_installed", f"services.{service} is not installed here")
    return Path(next(iter(spec.submodule_search_locations))) / "migrations"


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


def current_revision(connection: sa.Connection) -> str | None:
    """Return the revision that the database says it has; ``None`` for an empty one."""
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()


def require_head(engine: sa.Engine, service: str, *, folder: Path | None = None) -> None:
    """Refuse to run on a schema older than this code; a newer one is fine, steps are safe for older code."""
    script = ScriptDirectory.from_config(_config(service, folder))
    wanted = script.get_current_head()
    with engine.connect() as connection:
        present = current_revision(connection)
    if wanted is None or present == wanted:
        return
    known = {step.revision for step in script.walk_revisions()}
    if present is not None and present not in known and present > wanted:
        return
    raise SchemaBehind(
        f"database of {service} is at {present or 'nothing'}, this code needs {wanted}: "
        f"run `{service.replace('_', '-')} migrate` first"
    )


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
