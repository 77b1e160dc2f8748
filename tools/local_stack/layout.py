"""Where the local stack keeps its files, and which ports it uses. One place, so that nothing else invents a path."""

import fcntl
import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
DEFAULT_HOME: Final = REPOSITORY / ".local"
KAFKA_JARS: Final = DEFAULT_HOME / "kafka-jars"
"""Fetched once, used by every stack of this checkout."""

PORTS: Final = range(20_000, 30_000)
PORTS_PER_PROCESS: Final = 37
CLAIM_S: Final = 300.0
"""How long a port that was handed out is kept for whoever asked for it: until its program listens, by far."""


class StackError(Exception):
    """Something that the machine lacks or that went wrong while starting; the message says what to do."""


GIVEN_DEADLINE_S: Final = 10.0
"""A server that somebody names runs already."""


def misnamed(setting: str, expected: str, why: str) -> str:
    """What to say of a setting that names a server which is not there."""
    return f"{setting}: expected {expected}; unset it to have one started here. {' '.join(why.split())}"


@dataclass(frozen=True, slots=True)
class Layout:
    """Folders and files of one stack below its home."""

    home: Path

    @property
    def ports_file(self) -> Path:
        return self.home / "ports.json"

    @property
    def secrets(self) -> Path:
        return self.home / "secrets"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def postgres_data(self) -> Path:
        return self.home / "postgres"

    @property
    def kafka_data(self) -> Path:
        return self.home / "kafka" / "data"

    @property
    def kafka_config(self) -> Path:
        return self.home / "kafka" / "server.properties"

    @property
    def supervisor_config(self) -> Path:
        return self.home / "supervisord.conf"

    def prepare(self) -> None:
        """Create the folders; the home is private because secrets lie in it."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)
        for folder in (self.secrets, self.logs, self.kafka_config.parent):
            folder.mkdir(parents=True, exist_ok=True)


def layout() -> Layout:
    """The layout of this checkout's stack, or of ``TIEOUT_HOME``."""
    return Layout(Path(os.environ.get("TIEOUT_HOME", DEFAULT_HOME / "stack")))


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, none of them twice.

    They lie below the ports that systems hand out to outgoing connections: one of those could otherwise hold a
    service's port just when the service starts again.
    """
    # Stacks that start together look in different places, and see what the others have been given.
    start = os.getpid() * PORTS_PER_PROCESS % len(PORTS)
    candidates = (PORTS[(start + step) % len(PORTS)] for step in range(len(PORTS)))
    with _claims() as claimed:
        found = list(islice((port for port in candidates if port not in claimed and _is_free(port)), count))
        claimed.update(dict.fromkeys(found, time.time()))
    if len(found) < count:
        raise StackError(f"fewer than {count} ports are free between {PORTS.start} and {PORTS.stop - 1}")
    return found


@contextmanager
def _claims() -> Iterator[dict[int, float]]:
    """The ports that were handed out lately on this machine to this user, with the time; one process at a time."""
    file = os.open(
        Path(tempfile.gettempdir()) / f"tieout-ports-{os.getuid()}.json",
        os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW,
        0o600,
    )
    with os.fdopen(file, "r+") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        try:
            known = {int(port): float(at) for port, at in json.loads(kept.read() or "{}").items()}
        except (ValueError, TypeError, AttributeError):
            known = {}  # whatever stands there is none of ours
        lately_s = time.time() - CLAIM_S
        claimed = {port: at for port, at in known.items() if at > lately_s}
        yield claimed
        kept.seek(0)
        kept.truncate()
        json.dump(claimed, kept)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def remembered_ports(place: Layout, names: list[str]) -> dict[str, int]:
    """One port per name, chosen free at the first start and kept, so that printed URLs stay valid."""
    known: dict[str, int] = json.loads(place.ports_file.read_text()) if place.ports_file.exists() else {}
    missing = [name for name in names if name not in known]
    known.update(zip(missing, free_ports(len(missing)), strict=True))
    if missing:
        place.ports_file.write_text(json.dumps(known, indent=1))
    return known
