"""The outbox's old days archive themselves: a loop with a folder, one at a time, and a gauge for who has none."""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared.persistence.archive_files import read_archive
from shared.persistence.partitions import ArchiveBusy, archive_due, list_archives, list_partitions
from shared.persistence.retention import KEEP_DAYS
from shared.runtime.archiving import ARCHIVE_ROLE, ArchiveRole, archive_checks, archive_roles
from shared.runtime.metrics import exposition
from shared.runtime.probes import watch_mechanism
from shared.runtime.settings import ServiceSettings, load_settings
from shared.runtime.startup import StartupRefused
from shared.testing.virtual_clock import VirtualClock
from shared.testing.waiting import eventually

ROWS = 2_500
"""More than the loop reads between two beats."""


def today() -> date:
    """Asked when it is needed: between the collection of tests and one of them it may have become another."""
    return datetime.now(UTC).date()


@pytest.fixture
def old() -> date:
    return today() - timedelta(days=KEEP_DAYS + 3)


def fill(probe: Any, day: date, *, rows: int = ROWS, sent: bool = True) -> None:
    """A day of the outbox with this many rows."""
    with psycopg.connect(probe.urls.owner) as owner:
        owner.execute("SELECT outbox_create_partition(%s)", [day])
        owner.execute(
            "INSERT INTO outbox (created_on, shard, topic, key, stream_version, event_id, event_type, data_schema,"
            " source, subject, event_time, cause_id, payload, payload_sha256, sent_at, sent_epoch)"
            " SELECT %s, 0, 'probe.events', %s, n, 'evt_' || %s || n, 'Said.v1', '/s', '/tieout/probe', 'a',"
            " now(), 'c', %s, %s, CASE WHEN %s THEN now() END, CASE WHEN %s THEN 1 END"
            " FROM generate_series(1, %s) AS n",
            (day, str(day), str(day), b"{}", hashlib.sha256(b"{}").digest(), sent, sent, rows),
        )


def days(probe: Any) -> set[date]:
    with probe.engine("owner", pool_size=1).connect() as connection:
        return {partition.day for partition in list_partitions(connection)}


def settings(probe: Any, folder: Path, **more: Any) -> ServiceSettings:
    return ServiceSettings(
        database_url=probe.urls.app, owner_database_url=probe.urls.owner, archive_folder=folder, **more
    )


@pytest.fixture
def role(probe: Any, tmp_path: Path) -> ArchiveRole:
    made = archive_roles(settings(probe, tmp_path), VirtualClock(datetime.now(UTC)))
    return made[ARCHIVE_ROLE]()


def overdue_s(probe: Any, *, keep_days: int = KEEP_DAYS) -> float:
    watch_mechanism(probe.engine(), keep_days=keep_days)
    (line,) = (
        line
        for line in exposition()[1].decode().splitlines()
        if line.startswith("tieout_outbox_archive_overdue_seconds ")
    )
    return float(line.split()[1])


def test_what_is_past_its_time_is_archived_and_what_is_not_stays(
    probe: Any, old: date, role: ArchiveRole, tmp_path: Path
) -> None:
    kept = today() - timedelta(days=KEEP_DAYS)
    fill(probe, old)
    fill(probe, kept)

    assert 2 * 86_400 <= overdue_s(probe) <= 3 * 86_400 + 60
    assert role.turn() is False

    assert old not in days(probe)
    assert kept in days(probe)
    assert overdue_s(probe) == 0
    assert overdue_s(probe, keep_days=KEEP_DAYS - 1) > 0
    with probe.engine("owner", pool_size=1).connect() as connection:
        (archived,) = list_archives(connection)
    assert len(list(read_archive(tmp_path / archived.file_name, sha256=archived.sha256))) == ROWS


def test_unsent_rows_are_refused_every_time_until_they_are_sent(
    probe: Any, old: date, role: ArchiveRole, tmp_path: Path
) -> None:
    fill(probe, old, sent=False)

    role.turn()
    role.turn()

    assert old in days(probe)
    assert not list(tmp_path.iterdir())
    assert overdue_s(probe) > 0
    with psycopg.connect(probe.urls.owner) as owner:
        owner.execute("UPDATE outbox SET sent_at = now(), sent_epoch = 1")
    role.turn()
    assert old not in days(probe)


def test_a_folder_that_takes_no_files_loses_nothing_and_ends_nothing(
    probe: Any, old: date, role: ArchiveRole, tmp_path: Path
) -> None:
    fill(probe, old, rows=1)
    (tmp_path / f"outbox_p{old:%Y%m%d}.jsonl.gz.partial").mkdir()

    assert role.turn() is False

    assert old in days(probe)


def test_one_process_archives_at_a_time(probe: Any, old: date, role: ArchiveRole, tmp_path: Path) -> None:
    fill(probe, old)
    owner, others = probe.engine("owner"), []

    def moved() -> None:
        if not others:
            others.append(role.turn())
            with pytest.raises(ArchiveBusy):
                archive_due(probe.engine("owner"), tmp_path / "elsewhere", today=today())

    done = archive_due(owner, tmp_path, today=today(), moved=moved)

    assert others == [False]
    assert [each.rows for each in done] == [ROWS]
    assert role.turn() is False, "the turn is given back"


def test_a_stop_in_the_middle_of_a_day_drops_nothing(probe: Any, old: date, tmp_path: Path) -> None:
    fill(probe, old)
    role = ArchiveRole(settings(probe, tmp_path), tmp_path, VirtualClock(datetime.now(UTC)))
    stop = threading.Event()
    beat, role.beat = role.beat, stop.set  # type: ignore[method-assign]  # the signal comes while it reads
    thread = threading.Thread(target=role.run, args=(stop,))
    thread.start()
    eventually(lambda: not thread.is_alive(), describe=lambda: "the loop to end")

    assert old in days(probe)
    assert not list(tmp_path.glob("*.gz"))
    role.beat = beat  # type: ignore[method-assign]
    role._stop = threading.Event()
    role.turn()
    assert old not in days(probe)


def test_without_a_folder_there_is_no_loop_and_with_one_the_rest_must_be_there(
    probe: Any, tmp_path: Path
) -> None:
    bare = ServiceSettings(database_url=probe.urls.app)
    assert archive_roles(bare, VirtualClock()) == {}
    assert archive_checks(bare) == ()
    (found,) = archive_checks(settings(probe, tmp_path / "not there"))
    with pytest.raises(StartupRefused, match=r"ARCHIVE_FOLDER: .* is no folder"):
        found.check()
    (found,) = archive_checks(ServiceSettings(database_url=probe.urls.app, archive_folder=tmp_path))
    with pytest.raises(StartupRefused, match="OWNER_DATABASE_URL: missing"):
        found.check()
    (found,) = archive_checks(settings(probe, tmp_path))
    found.check()


def test_no_setting_lets_days_go_before_the_topics_do(probe: Any) -> None:
    with pytest.raises(StartupRefused, match="37 or more"):
        load_settings(ServiceSettings, {"DATABASE_URL": probe.urls.app, "ARCHIVE_KEEP_DAYS": "36"})
