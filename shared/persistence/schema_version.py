"""Which schema a database has and which one this code needs: asked at every start, so without the migrations' tool.

Migrations are files named by their revision, counted from 0001 without a gap (held by an architecture test): the newest
is known by its name.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from shared.kernel.errors import InvariantViolation

VERSION_TABLE: Final = "alembic_version"
_REVISION: Final = re.compile(r"(\d{4})_\w+\.py")


class SchemaBehind(Exception):  # noqa: N818  # a state of the database
    """The database is older than this code; the message says in one line what to do."""


def migrations_folder(service: str) -> Path:
    """Return the service's migrations, wherever its package is installed."""
    spec = importlib.util.find_spec(f"services.{service}")
    if spec is None or not spec.submodule_search_locations:
        raise InvariantViolation("service_installed", f"services.{service} is not installed here")
    return Path(next(iter(spec.submodule_search_locations))) / "migrations"


def revisions(folder: Path) -> list[str]:
    """Every revision of this code, the oldest first."""
    files = (_REVISION.fullmatch(path.name) for path in (folder / "versions").iterdir())
    return sorted(found[1] for found in files if found is not None)


def current_revision(connection: sa.Connection) -> str | None:
    """Return the revision that the database says it has; ``None`` for an empty one."""
    there = connection.exec_driver_sql("SELECT to_regclass(%(name)s)", {"name": VERSION_TABLE}).scalar()
    if there is None:
        return None
    present: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()
    return present


def require_head(engine: sa.Engine, service: str, *, folder: Path | None = None) -> None:
    """Refuse to run on a schema older than this code; a newer one is fine, steps are safe for older code."""
    known = revisions(folder or migrations_folder(service))
    if not known:
        return
    with engine.connect() as connection:
        present = current_revision(connection)
    if present == known[-1] or (present is not None and present not in known and present > known[-1]):
        return
    raise SchemaBehind(
        f"database of {service} is at {present or 'nothing'}, this code needs {known[-1]}: "
        f"run `{service.replace('_', '-')} migrate` first"
    )
