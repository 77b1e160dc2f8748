"""The ledger as it runs: captures through Kafka while its worker seals and folds them, and how far that lags behind."""

import time
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from tools.bench import books
from tools.bench.figures import Base, Figure
from tools.bench.site import Site, wait_until

SECTION: Final = "ledger at work: booked, sealed, folded"
UNSEALED_AIM_S: Final = 2.0
"""No journal is longer without a seal while a sealer runs."""
FOLDED_EVERY_SEALS: Final = 1_000
"""As the ledger has it by default: so many seals are folded at once, and fewer wait for the next ones."""
LOOK_EVERY_S: Final = 0.25
CAUGHT_UP_WITHIN_S: Final = 300.0

# By the newest seal, which an index knows: of positions that commit out of order a few count too much or too little.
_BEHIND: Final = """
WITH known AS (SELECT coalesce((SELECT max(journal_position) FROM seals), 0) AS sealed)
SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM journal_positions) - known.sealed,
       coalesce((SELECT max(position) FROM seals), 0) - coalesce((SELECT min(position) FROM snapshot_shards), 0),
       coalesce((SELECT extract(epoch FROM clock_timestamp() - j.booked_at) FROM journals j
                  WHERE j.position > known.sealed ORDER BY j.position LIMIT 1), 0)::float8
  FROM known
"""


@dataclass(frozen=True, slots=True)
class Behind:
    """Journals without a seal, seals that no snapshot counts, and for how long the oldest journal waits."""

    unsealed: int
    unfolded: int
    unsealed_s: float

    @property
    def is_sealed(self) -> bool:
        return self.unsealed <= 0

    @property
    def is_folded(self) -> bool:
        return self.is_sealed and self.unfolded < FOLDED_EVERY_SEALS


@dataclass(slots=True)
class Watch:
    """Looks a few times a second how far the worker is behind, whoever asks how often."""

    session: "psycopg.Connection[Any]"
    seen: list[Behind] = field(default_factory=list)
    looked_at: float = 0.0

    def look(self) -> None:
        if time.perf_counter() - self.looked_at >= LOOK_EVERY_S:
            self.seen.append(self.behind())
            self.looked_at = time.perf_counter()

    def behind(self) -> Behind:
        row = self.session.execute(_BEHIND.encode()).fetchone()
        return Behind(*row) if row else Behind(0, 0, 0.0)

    def seconds_until(self, what: str) -> float:
        """Wait until it is so; seconds since the last look while journals were booked."""
        wait_until(lambda: getattr(self.behind(), what), what, within_s=CAUGHT_UP_WITHIN_S)
        return time.perf_counter() - self.looked_at


def measure(site: Site, base: Base) -> list[Figure]:
    """Rates and CPU while all of the ledger's timers run, and what is left to seal and to fold at the last journal."""
    count = 5_000 if site.quick else 40_000
    found: dict[str, list[float]] = {}
    books.book(site, books.captures(count, hot=False))  # opens the accounts
    # On another port: the consumer runs beside it.
    with site.admin("ledger") as session, site.process("ledger", "work", HTTP_PORT="0") as worker:
        Watch(session).seconds_until("is_folded")
        for _ in range(site.repetitions):
            site.progress("ledger through Kafka, sealed and folded meanwhile")
            for name, value in _once(site, session, worker, count).items():
                found.setdefault(name, []).append(value)
    samples = {name: tuple(values) for name, values in found.items()}
    units = {name: unit for name, unit in _UNITS.items() if name != _RATE}
    rate = Figure(section=SECTION, name=_RATE, unit=_UNITS[_RATE], samples=samples[_RATE], base=base)
    return [rate, *(_figure(name, unit, samples[name]) for name, unit in units.items())]


_RATE: Final = "journals, sealed and folded meanwhile"
_OLDEST: Final = "oldest journal without a seal, at most"
_UNITS: Final = {
    _RATE: "1/s",
    _OLDEST: "s",
    "journals without a seal, at the last one": "1",
    "all sealed, after the last one": "s",
    "seals not folded, at the last one": "1",
    "all folded, after the last one": "s",
    "ledger CPU per journal, consumer": "ms",
    "ledger CPU per journal, worker": "ms",
    "PostgreSQL CPU per journal": "ms",
}


def _figure(name: str, unit: str, samples: tuple[float, ...]) -> Figure:
    aim = UNSEALED_AIM_S if name == _OLDEST else None
    return Figure(section=SECTION, name=name, unit=unit, samples=samples, aim=aim, smaller_is_better=True)


def _once(site: Site, session: "psycopg.Connection[Any]", worker: int, count: int) -> dict[str, float]:
    watch = Watch(session)
    records = books.captures(count, hot=False)
    rate, spent = books.book(site, records, beside=(worker,), meanwhile=watch.look)
    last = watch.seen[-1]
    sealed_s = watch.seconds_until("is_sealed")
    folded_s = watch.seconds_until("is_folded")
    consumer_ms, postgres_ms, worker_ms = spent
    figures = (
        rate, max(behind.unsealed_s for behind in watch.seen), last.unsealed, sealed_s, last.unfolded, folded_s,
        consumer_ms, worker_ms, postgres_ms,
    )  # fmt: skip
    return dict(zip(_UNITS, map(float, figures), strict=True))
