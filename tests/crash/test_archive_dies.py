"""kill -9 in the middle of an operator's archiving: the second run finishes it, and no row is lost or kept twice."""

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from shared.persistence.archive_files import read_archive
from shared.persistence.migrate import migrate
from shared.persistence.provision import provision
from tools.crash.points import command_cases
from tools.local_stack.children import inherited
from tools.local_stack.services import SERVICES

pytestmark = pytest.mark.timeout(300)

ROWS = 50
OLD_DAY = datetime.now(UTC).date() - timedelta(days=60)
PARTITION = f"outbox_p{OLD_DAY:%Y%m%d}"
WRITE = """
INSERT INTO outbox (created_on, shard, topic, key, stream_version, event_id, event_type, data_schema, source, subject,
                    event_time, cause_id, payload, payload_sha256, sent_at, sent_epoch)
SELECT %(day)s, 0, 'ledger.events', 'jrn_old', n, 'evt_old_' || n, 'JournalPosted.v1', '/schemas/old', '/tieout/ledger',
       'jrn_old', now(), 'test', convert_to(n::text, 'UTF8'), sha256(convert_to(n::text, 'UTF8')), now(), 1
  FROM generate_series(1, %(rows)s) AS n
"""


def at(url):
    return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)


@pytest.fixture
def database(stack, request):
    """A database of the service beside the running one, with a day of its outbox that is past its retention."""
    service, name = "ledger", "ledger_to_archive"
    urls = provision(stack.admin_url, service, name, password=stack.secrets.text("database_roles"))
    migrate(urls.owner, service)
    superuser = stack.admin_url.rpartition("/")[0] + f"/{name}"
    with at(superuser) as connection:
        connection.execute("SELECT outbox_create_partition(%s)", [OLD_DAY])
        connection.execute(WRITE, {"day": OLD_DAY, "rows": ROWS})
    yield urls, superuser
    with at(stack.admin_url) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def archive(stack, urls, folder, **armed):
    service = next(service for service in SERVICES if service.name == "ledger")
    environment = inherited() | stack.environment(service) | armed
    environment |= {"LEDGER_DATABASE_URL": urls.app, "LEDGER_OWNER_DATABASE_URL": urls.owner}
    if armed:
        del environment["TIEOUT_CRASH_ORDER_FILE"]
    return subprocess.run(
        [Path(sys.executable).parent / service.command, "archive", "--folder", folder, "--json"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("case", command_cases(), ids=str)
def test_killed_while_archiving(stack, database, case, tmp_path):
    urls, superuser = database
    died = archive(stack, urls, tmp_path, TIEOUT_CRASH_AT=case.point)
    assert died.returncode == -signal.SIGKILL, died.stderr
    with at(superuser) as connection:
        assert connection.execute(f"SELECT count(*) FROM {PARTITION}").fetchone() == (ROWS,)
    again = archive(stack, urls, tmp_path)
    assert again.returncode == 0, again.stderr
    with at(superuser) as connection:
        assert connection.execute("SELECT to_regclass(%s)", [PARTITION]).fetchone() == (None,)
        archives = connection.execute(
            "SELECT file_name, sha256, rows, dropped_at FROM outbox_archives"
        ).fetchall()
    ((file_name, sha256, rows, dropped_at),) = archives
    assert rows == ROWS
    assert dropped_at is not None
    kept = list(read_archive(tmp_path / file_name, sha256=bytes(sha256)))
    assert [row["stream_version"] for row in kept] == list(range(1, ROWS + 1))
