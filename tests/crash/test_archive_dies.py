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
OLD_DAYS = [datetime.now(UTC).date() - timedelta(days=days) for days in (61, 60)]
PARTITIONS = [f"outbox_p{day:%Y%m%d}" for day in OLD_DAYS]
WRITE = """
INSERT INTO outbox (created_on, shard, topic, key, stream_version, event_id, event_type, data_schema, source, subject,
                    event_time, cause_id, payload, payload_sha256, sent_at, sent_epoch)
SELECT %(day)s, 0, 'ledger.events', %(key)s, n, 'evt_' || %(key)s || n, 'JournalPosted.v1', '/schemas/old', '/tieout/ledger',
       %(key)s, now(), 'test', convert_to(n::text, 'UTF8'), sha256(convert_to(n::text, 'UTF8')), now(), 1
  FROM generate_series(1, %(rows)s) AS n
"""


def at(url):
    return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)


@pytest.fixture(params=PASSED_BY_COMMAND["archive"])
def database(stack, request):
    """A database of each service beside the running one, with two days of its outbox that are past their retention."""
    service, name = request.param, f"{request.param}_to_archive"
    urls = provision(stack.admin_url, service, name, password=stack.secrets.text("database_roles"))
    migrate(urls.owner, service)
    superuser = stack.admin_url.rpartition("/")[0] + f"/{name}"
    with at(superuser) as connection:
        for day in OLD_DAYS:
            connection.execute("SELECT outbox_create_partition(%s)", [day])
            connection.execute(WRITE, {"day": day, "rows": ROWS, "key": f"jrn_{day}"})
    yield service, urls, superuser
    with at(stack.admin_url) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_killed_while_archiving(stack, database, tmp_path):
    service, urls, superuser = database
    settings = {"DATABASE_URL": urls.app, "OWNER_DATABASE_URL": urls.owner}

    def archive(dies_at=None):
        words = ("archive", "--folder", str(tmp_path))
        run_command(stack, service_named(service), *words, dies_at=dies_at, settings=settings)

    standing = {}
    for case in command_cases("archive"):
        if case.service == service:
            archive(case.point)
            standing[case.point] = rows_left(superuser)
    both, one = [ROWS, ROWS], [None, ROWS]
    assert standing == {"archive.after_file": both, "archive.before_drop": both, "archive.after_drop": one}
    archive()
    assert rows_left(superuser) == [None, None]
    with at(superuser) as connection:
        archives = connection.execute(
            "SELECT file_name, sha256, rows, dropped_at FROM outbox_archives ORDER BY partition_name"
        ).fetchall()
    assert len(archives) == len(OLD_DAYS)
    for day, (file_name, sha256, rows, dropped_at) in zip(OLD_DAYS, archives, strict=True):
        assert rows == ROWS
        assert dropped_at is not None
        kept = list(read_archive(tmp_path / file_name, sha256=bytes(sha256)))
        assert [(row["key"], row["stream_version"]) for row in kept] == [
            (f"jrn_{day}", version) for version in range(1, ROWS + 1)
        ]


def rows_left(superuser):
    """How many rows each old day's partition holds; None where it is gone."""
    with at(superuser) as connection:
        return [
            connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            if connection.execute("SELECT to_regclass(%s)", [name]).fetchone()[0]
            else None
            for name in PARTITIONS
        ]
