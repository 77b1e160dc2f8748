"""A service's database and its four roles, made from an administrator's connection; safe to repeat."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import psycopg
import sqlalchemy as sa
from psycopg import sql

from shared.kernel.errors import InvariantViolation

ROLE_KINDS: Final = ("owner", "app", "relay", "reader")
CONNECT_TIMEOUT_S: Final = 5

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")
# Serialises provisioning in the cluster: two at once would collide on the shared catalogs.
_LOCK: Final = "SELECT pg_advisory_lock(7305711418)"


@dataclass(frozen=True, slots=True)
class ServiceUrls:
    """How each role of one service reaches its database."""

    owner: str
    app: str
    relay: str
    reader: str


def role_names(service: str) -> dict[str, str]:
    """Return the role of each kind: the owner migrates, app works, relay publishes, reader looks."""
    return {kind: f"{service}_{kind}" for kind in ROLE_KINDS}


def provision(
    admin_url: str, service: str, database: str | None = None, *, password: str | None = None
) -> ServiceUrls:
    """Create or complete the service's roles and database; nobody else's role may even connect to it."""
    database = database or service
    for name in (service, database):
        if not _NAME.fullmatch(name):
            raise InvariantViolation("database_name", f"{name!r} is not a plain lower-case name")
    roles = role_names(service)
    with closing(_connect(admin_url, None)) as admin:
        admin.execute(_LOCK)
        for role in roles.values():
            _ensure_role(admin, role, password)
        _ensure_database(admin, database, roles)
    with closing(_connect(admin_url, database)) as inside:
        inside.execute(_LOCK)
        _set_up_schema(inside, roles)
    return _urls(admin_url, roles, password, database)


def provision_copy(
    admin_url: str, service: str, database: str, *, password: str | None = None
) -> ServiceUrls:
    """Complete a copy of a provisioned database: all that lies within came along, who may connect did not."""
    roles = role_names(service)
    with closing(_connect(admin_url, None)) as admin:
        _grant_database(admin, database, roles)
    return _urls(admin_url, roles, password, database)


def _urls(admin_url: str, roles: dict[str, str], password: str | None, database: str) -> ServiceUrls:
    return ServiceUrls(**{kind: _url(admin_url, role, password, database) for kind, role in roles.items()})


def _connect(admin_url: str, database: str | None) -> psycopg.Connection:
    url = sa.make_url(admin_url).set(drivername="postgresql")
    if database is not None:
        url = url.set(database=database)
    return psycopg.connect(
        url.render_as_string(hide_password=False), autocommit=True, connect_timeout=CONNECT_TIMEOUT_S
    )


def _url(admin_url: str, role: str, password: str | None, database: str) -> str:
    url = sa.make_url(admin_url).set(drivername="postgresql", username=role, database=database)
    url = sa.URL.create(url.drivername, role, password, url.host, url.port, database, url.query)
    return url.render_as_string(hide_password=False)


def _ensure_role(admin: psycopg.Connection, role: str, password: str | None) -> None:
    if admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
        admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    admin.execute(
        sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS").format(
            sql.Identifier(role)
        )
    )
    if password is not None:
        admin.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
        )


def _ensure_database(admin: psycopg.Connection, database: str, roles: dict[str, str]) -> None:
    name = sql.Identifier(database)
    if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
        # Byte order: the same everywhere, cheap to compare, and immune to a library's new collation rules.
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'").format(name)
        )
    _grant_database(admin, database, roles)


def _grant_database(admin: psycopg.Connection, database: str, roles: dict[str, str]) -> None:
    name = sql.Identifier(database)
    admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(roles["owner"])))
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    everybody = sql.SQL(", ").join(sql.Identifier(role) for role in roles.values())
    admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, everybody))


def _set_up_schema(inside: psycopg.Connection, roles: dict[str, str]) -> None:
    names = {kind: sql.Identifier(role) for kind, role in roles.items()}
    for statement in (
        "ALTER SCHEMA public OWNER TO {owner}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE ON SCHEMA public TO {app}, {relay}, {reader}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT USAGE, SELECT ON SEQUENCES TO {app}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT ON TABLES TO {reader}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT EXECUTE ON FUNCTIONS TO {app}",
    ):
        inside.execute(sql.SQL(statement).format(**names))
