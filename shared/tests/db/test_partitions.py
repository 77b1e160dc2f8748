"""Days of the outbox: made ahead, archived to hashed files, and dropped only when nothing is lost by it."""

import hashlib
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from shared.persistence.archive_files import ArchiveCorrupt, read_archive
from shared.persistence.partitions import (
    ArchiveRefused,
    Partition,
    archive_due,
    archive_partition,
    create_ahead,
    drop_partition,
    list_archives,
    list_partitions,
)

OLD = date(2026, 1, 2)
OLD_PARTITION = Partition("outbox_p20260102", OLD)
TODAY = OLD + timedelta(days=60)


def put(probe, *, day=OLD, sent=True, number=1):
    payload = b'{"n": %d}' % number
    with psycopg.connect(probe.urls.owner) as owner:
        owner.execute(
            "INSERT INTO outbox (created_on, shard, topic, key, stream_version, event_id, event_type, data_schema,"
            " source, subject, event_time, cause_id, payload, payload_sha256, sent_at, sent_epoch)"
            " VALUES (%s, 0, 'probe.events', 'a', %s, %s, 'Said.v1', '/s', '/tieout/probe', 'a', %s, 'c', %s, %s,"
            " CASE WHEN %s THEN now() END, CASE WHEN %s THEN 1 END)",
            (
                day,
                number,
                f"evt_{number}",
                datetime(2026, 1, 2, tzinfo=UTC),
                payload,
                hashlib.sha256(payload).digest(),
                sent,
                sent,
            ),
        )


@pytest.fixture
def old_day(probe):
    """Two sent rows of a day long ago, in that day's partition."""
    with psycopg.connect(probe.urls.owner) as owner:
        owner.execute("SELECT outbox_create_partition(%s)", [OLD])
    put(probe, number=1)
    put(probe, number=2)
    return probe.engine("owner")


def positions(probe):
    return [row[0] for row in probe.rows("SELECT stream_version FROM outbox ORDER BY position")]


def test_days_ahead_exist_and_making_them_again_makes_none(probe):
    relay = probe.engine("relay")
    today = datetime.now(UTC).date()
    create_ahead(relay, today=today, days=20)
    assert create_ahead(relay, today=today, days=20) == 0
    with relay.connect() as connection:
        days = {partition.day for partition in list_partitions(connection)}
    assert {today + timedelta(days=ahead) for ahead in range(20)} <= days


def test_rows_that_fell_into_the_default_partition_are_brought_home(probe):
    late = datetime.now(UTC).date() + timedelta(days=12)
    put(probe, day=late, sent=False)
    assert probe.rows("SELECT count(*) FROM outbox_default") == [(1,)]
    create_ahead(probe.engine("relay"), today=datetime.now(UTC).date())
    assert probe.rows("SELECT count(*) FROM outbox_default") == [(0,)]
    assert probe.rows(f"SELECT count(*) FROM outbox_p{late:%Y%m%d}") == [(1,)]
    assert positions(probe) == [1]


def test_an_archived_day_can_be_read_back_to_the_byte_and_is_dropped(probe, old_day, tmp_path):
    before = probe.rows("SELECT * FROM outbox ORDER BY position")
    (archive,) = archive_due(old_day, tmp_path, today=TODAY)
    assert positions(probe) == []
    assert (archive.rows, archive.first_position, archive.last_position) == (2, 1, 2)
    read = list(read_archive(tmp_path / archive.file_name, sha256=archive.sha256))
    assert [tuple(row.values()) for row in read] == before
    assert probe.rows("SELECT partition_name, dropped_at IS NULL FROM outbox_archives") == [
        (OLD_PARTITION.name, False)
    ]
    with old_day.connect() as connection:
        assert list_archives(connection) == [archive]
        assert OLD_PARTITION not in list_partitions(connection)


def test_a_day_inside_the_retention_stays(probe, old_day, tmp_path):
    assert archive_due(old_day, tmp_path, today=OLD + timedelta(days=37)) == []
    assert positions(probe) == [1, 2]


def test_unsent_rows_are_neither_archived_nor_dropped(probe, old_day, tmp_path):
    put(probe, number=3, sent=False)
    with pytest.raises(ArchiveRefused, match="1 unsent"):
        archive_due(old_day, tmp_path, today=TODAY)
    assert positions(probe) == [1, 2, 3]


def test_a_day_that_is_not_archived_is_not_dropped(probe, old_day, tmp_path):
    with pytest.raises(ArchiveRefused, match="not archived"):
        drop_partition(old_day, OLD_PARTITION, tmp_path)
    with psycopg.connect(probe.urls.owner) as owner, pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute("SELECT outbox_drop_partition('outbox_p20260102')")
    assert positions(probe) == [1, 2]


@pytest.mark.parametrize(("sent", "message"), [(True, "its archive lacks"), (False, "1 unsent")])
def test_a_row_that_came_after_the_archive_keeps_the_day(probe, old_day, tmp_path, sent, message):
    archive_partition(old_day, OLD_PARTITION, tmp_path, today=TODAY)
    put(probe, number=3, sent=sent)
    with pytest.raises(ArchiveRefused, match=message):
        drop_partition(old_day, OLD_PARTITION, tmp_path)
    assert positions(probe) == [1, 2, 3]


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_archive_keeps_the_day(probe, old_day, tmp_path, damage):
    archive = archive_partition(old_day, OLD_PARTITION, tmp_path, today=TODAY)
    path = tmp_path / archive.file_name
    if damage == "missing":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    for again in (
        lambda: drop_partition(old_day, OLD_PARTITION, tmp_path),
        lambda: archive_partition(old_day, OLD_PARTITION, tmp_path, today=TODAY),
        lambda: list(read_archive(path, sha256=archive.sha256)),
    ):
        with pytest.raises(ArchiveCorrupt):
            again()
    assert positions(probe) == [1, 2]


def test_archiving_again_is_the_same_archive(probe, old_day, tmp_path):
    first = archive_partition(old_day, OLD_PARTITION, tmp_path, today=TODAY)
    (tmp_path / "elsewhere").mkdir()
    assert archive_partition(old_day, OLD_PARTITION, tmp_path, today=TODAY) == first
    with psycopg.connect(probe.urls.owner) as owner:
        owner.execute("DELETE FROM outbox_archives")
    again = archive_partition(old_day, OLD_PARTITION, tmp_path / "elsewhere", today=TODAY)
    assert again == first


def test_a_day_still_being_written_is_not_archived(probe, old_day, tmp_path):
    with pytest.raises(ArchiveRefused, match="still being written"):
        archive_partition(old_day, OLD_PARTITION, tmp_path, today=OLD)


def test_an_empty_day_is_archived_as_an_empty_file(probe, tmp_path):
    with psycopg.connect(probe.urls.owner) as owner:
        owner.execute("SELECT outbox_create_partition(%s)", [OLD])
    (archive,) = archive_due(probe.engine("owner"), tmp_path, today=TODAY)
    assert (archive.rows, archive.first_position) == (0, None)
    assert list(read_archive(tmp_path / archive.file_name, sha256=archive.sha256)) == []
