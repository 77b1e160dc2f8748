"""The loop that archives the outbox's old days by itself, where a process is given a folder for their files.

It works with the owner's role, the only one that may drop a partition, one at a time over all processes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from shared.kernel.clock import Clock
from shared.persistence.archive_files import ArchiveCorrupt
from shared.persistence.engine import make_engine
from shared.persistence.partitions import ArchiveBusy, ArchiveRefused, archive_due
from shared.runtime.logs import logger
from shared.runtime.roles import PeriodicRole
from shared.runtime.settings import ServiceSettings, required
from shared.runtime.startup import StartupCheck, StartupRefused, check

ARCHIVE_ROLE: Final = "work.archive"
OWNER_STATEMENT_MS: Final = 300_000
"""The owner reads and counts whole days."""
_log = logger(__name__)


@contextmanager
def owner_engine(settings: ServiceSettings) -> Iterator[sa.Engine]:
    """Archives and history are the owner's: the application may neither read files nor drop partitions."""
    url = required(settings, "owner_database_url")
    # One connection holds the lock, one works.
    engine = make_engine(
        url, application_name="operations", pool_size=2, statement_timeout_ms=OWNER_STATEMENT_MS
    )
    try:
        yield engine
    finally:
        engine.dispose()


class ArchiveRole(PeriodicRole):
    """Archives what is past its time, every so often; a refusal is told and tried again, and ends nothing.

    A day takes as long as its rows: the loop beats while it reads, and leaves a day unfinished where it has to stop.
    """

    def __init__(self, settings: ServiceSettings, folder: Path, clock: Clock) -> None:
        super().__init__(ARCHIVE_ROLE, settings.archive_interval_s, self._archive, clock)
        self._settings, self._folder, self._now = settings, folder, clock
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        self._stop = stop
        super().run(stop)

    def _archive(self) -> None:
        try:
            with owner_engine(self._settings) as owner:
                done = archive_due(
                    owner,
                    self._folder,
                    today=self._now.now().date(),
                    keep_days=self._settings.archive_keep_days,
                    moved=self._moved,
                )
        except _Stopping:
            return
        except ArchiveBusy:
            return  # another process of this service is at it
        except (ArchiveRefused, ArchiveCorrupt, OSError) as refused:
            # Nothing was dropped that is not in a file; the gauge of what is overdue says how long this goes on.
            _log.error("archive_refused", folder=str(self._folder), detail=str(refused))
            return
        for day in done:
            _log.info("archived", partition=day.partition_name, file=day.file_name, rows=day.rows)

    def _moved(self) -> None:
        self.beat()
        if self._stop.is_set():
            raise _Stopping


def archive_roles(settings: ServiceSettings, clock: Clock) -> dict[str, Callable[[], ArchiveRole]]:
    """The loop, where a folder is set; without one somebody has to run ``archive``."""
    folder = settings.archive_folder
    return {} if folder is None else {ARCHIVE_ROLE: lambda: ArchiveRole(settings, folder, clock)}


def archive_checks(settings: ServiceSettings) -> tuple[StartupCheck, ...]:
    """A folder that is set has to be there, and the owner's address with it."""
    folder = settings.archive_folder
    if folder is None:
        return ()

    def ready() -> None:
        required(settings, "owner_database_url")
        if not folder.is_dir():
            prefix = settings.model_config.get("env_prefix", "")
            raise StartupRefused(
                f"{prefix}ARCHIVE_FOLDER: {str(folder)!r} is no folder; expected one that every process sees"
            )

    return (check("archive folder", ready, ARCHIVE_ROLE.partition(".")[0]),)


class _Stopping(Exception):  # noqa: N818 - no failure: the process ends
    """The day is left as it is; the next process begins it again."""
