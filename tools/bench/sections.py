"""The sections of a benchmark run: what each measures, what runs meanwhile, and which others it is held against."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from tools.bench import (
    bare_http,
    bare_relay,
    baseline,
    books,
    bulk,
    growth,
    latency,
    matching,
    payments,
    projection,
    readers,
    working,
)
from tools.bench.figures import Base, Figure
from tools.bench.site import Progress, Site, benchmark_site

_JOURNAL: Final = "pgbench, journal in 7 statements"
_PAYMENT: Final = "pgbench, payment in 5 statements"


class Ground:
    """Where a run's sections are measured: their one stack, started when it is first asked for, and their bases."""

    def __init__(self, progress: Progress, *, quick: bool, entries: int) -> None:
        self.progress = progress
        self.quick = quick
        self.entries = entries
        """How far growth goes."""
        self.bases: dict[str, Base] = {}
        """What was measured earlier in the same run, by name."""
        self._opened = ExitStack()
        self._site: Site | None = None

    @property
    def site(self) -> Site:
        if self._site is None:
            self._site = self._opened.enter_context(benchmark_site(self.progress, quick=self.quick))
        return self._site

    def leave(self) -> None:
        """Stop the stack, so that what comes has the machine for itself."""
        self._site = None
        self._opened.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """``word`` chooses it; ``needs_base`` says that its figures are held against those of the first."""

    word: str
    title: str
    ran: str
    measure: Callable[[Ground], list[Figure]]
    needs_base: bool = False
    brings_stacks: bool = False
    """It is measured on stacks of its own, or on none."""
    afresh: bool = False
    """On a stack where nothing was measured before: what others leave (journals to seal, rows to send) is worked off
    behind them, on the same machine."""
    by_itself: bool = False
    """Takes so long that it runs only when it is asked for."""


BASE: Final = Section(
    word="base", title=baseline.SECTION, measure=lambda ground: baseline.measure(ground.site),
    ran="PostgreSQL with pgbench (8 clients, prepared); Kafka with one client of its own; FastAPI alone",
)  # fmt: skip
SECTIONS: Final = (
    BASE,
    Section(
        word="ledger", title=books.SECTION, needs_base=True,
        measure=lambda ground: books.measure(ground.site, ground.bases[_JOURNAL], ground.bases[bare_relay.NAME]),
        ran="PostgreSQL, Kafka, `ledger consume` with 2 group members; then `ledger relay` in its place",
    ),
    Section(
        word="bulk", title=bulk.SECTION, needs_base=True,
        measure=lambda ground: bulk.measure(ground.site, ground.bases[_JOURNAL]),
        ran="PostgreSQL, `ledger imports book` as one process: batches of 2,000, the file checked before",
    ),
    Section(
        word="latency", title=latency.SECTION, measure=lambda ground: latency.measure(ground.site),
        ran="PostgreSQL, Kafka, one writer, one relay, one consumer, each a process",
    ),
    Section(
        word="create", title=payments.CREATE, needs_base=True,
        measure=lambda ground: payments.measure_create(
            ground.site, ground.bases[_PAYMENT], ground.bases[bare_http.NAME]
        ),
        ran="PostgreSQL, `payment serve`, the load generator; Kafka idle",
    ),
    Section(
        word="working", title=working.SECTION, needs_base=True, afresh=True,
        measure=lambda ground: working.measure(ground.site, ground.bases[_JOURNAL]),
        ran="PostgreSQL, Kafka, `ledger consume` with 2 group members, `ledger work` with all its timers",
    ),
    Section(
        word="journey", title=payments.JOURNEY, needs_base=True, afresh=True,
        measure=lambda ground: payments.measure_journey(ground.site, ground.bases[bare_http.NAME]),
        ran="PostgreSQL, Kafka, load generator; sandbox and all six services, each with all its roles",
    ),
    Section(
        word="readers", title=readers.SECTION, ran=readers.RAN, brings_stacks=True,
        measure=lambda ground: readers.measure(ground.progress, quick=ground.quick),
    ),
    Section(
        word="matching", title=matching.SECTION, ran=matching.RAN, brings_stacks=True,
        measure=lambda ground: matching.measure(ground.progress, quick=ground.quick),
    ),
    Section(
        word="projection", title=projection.SECTION, ran=projection.RAN, brings_stacks=True,
        measure=lambda ground: projection.measure(ground.progress, quick=ground.quick),
    ),
    Section(
        word="growth", title=growth.SECTION, by_itself=True,
        measure=lambda ground: growth.measure(ground.site, ground.entries),
        ran="PostgreSQL, Kafka, `ledger consume` with 2 group members; then `ledger serve`, one client",
    ),
)  # fmt: skip
WORDS: Final = tuple(section.word for section in SECTIONS)


def chosen(words: list[str]) -> tuple[Section, ...]:
    """Return a run's sections in order: those asked for with their base, or all that do not run by themselves."""
    asked = [s for s in SECTIONS if (s.word in words if words else not s.by_itself)]
    if any(s.needs_base for s in asked) and BASE not in asked:
        asked.insert(0, BASE)
    return tuple(asked)
