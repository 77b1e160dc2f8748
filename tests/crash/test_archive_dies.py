"""kill -9 in the middle of an operator's archiving, one point after the other: the next run goes on from there.

The last one finishes it, and no row is lost or kept twice.
"""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from shared.persistence.archive_files import read_archive
from shared.persistence.migrate import migrate
from shared.persistence.provision import provision
from tools.crash.commands import run_command, service_named
from tools.crash.points import PASSED_BY_COMMAND, command_cases

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


@pytest.fixture(params=PASSED_BY_COMMAND["archive"])
def database(stack, request):
    """A database of each service beside the running one, with a day of its outbox that is past its retention."""
    service, name = request.param, f"{request.param}_to_archive"
    urls = provision(stack.admin_url, service, name, password=stack.secrets.text("database_roles"))
    migrate(urls.owner, service)
    superuser = stack.admin_url.rpartition("/")[0] + f"/{name}"
    with at(superuser) as connection:
        connection.execute("SELECT outbox_create_partition(%s)", [OLD_DAY])
        connection.execute(WRITE, {"day": OLD_DAY, "rows": ROWS})
    yield service, urls, superuser
    with at(stack.admin_url) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_killed_while_archiving(stack, database, tmp_path):
    service, urls, superuser = database
    settings = {"DATABASE_URL": urls.app, "OWNER_DATABASE_URL": urls.owner}

    def archive(dies_at=None):
        words = ("archive", "--folder", str(tmp_path))
        run_command(stack, service_named(service), *words, dies_at=dies_at, settings=settings)

    for case in command_cases("archive"):
        if case.service == service:
            archive(case.point)
            with at(superuser) as connection:
                assert connection.execute(f"SELECT count(*) FROM {PARTITION}").fetchone() == (ROWS,)
    archive()
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
