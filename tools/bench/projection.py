"""Our side as reconciliation hears it: captures already in the topic, the real consumer, beside a raw Kafka client."""

from typing import Final

from tools.bench import books
from tools.bench.baseline import consume_raw
from tools.bench.figures import Base, Figure
from tools.bench.site import Progress, Site, benchmark_site

SECTION: Final = "projection"
RAN: Final = "PostgreSQL, Kafka, `reconciliation consume`"
RATE_AIM: Final = 10_000.0
COUNT: Final = 60_000
QUICK_COUNT: Final = 10_000
_HEARD: Final = "SELECT count(*) FROM told_facts"


def measure(progress: Progress, *, quick: bool) -> list[Figure]:
    """Events per second, CPU per event, and what a client of Kafka's own takes that only counts them."""
    with benchmark_site(progress, quick=quick) as site:
        count = QUICK_COUNT if quick else COUNT
        rates, consumer_ms, postgres_ms, raw = [], [], [], []
        for _ in range(site.repetitions):
            progress(f"{count:,} events heard")
            rate, spent = _hear(site, count)
            rates.append(rate)
            consumer_ms.append(spent[0])
            postgres_ms.append(spent[1])
            raw.append(consume_raw(site, books.TOPIC, count))
    base = Figure(section=SECTION, name="raw Kafka client, the same events", unit="1/s", samples=tuple(raw))
    return [
        base,
        _heard(tuple(rates), base.as_base()),
        Figure(section=SECTION, name="events heard", unit="1/s", samples=tuple(rates), aim=RATE_AIM),
        Figure(section=SECTION, name="consumer's CPU per event", unit="ms", samples=tuple(consumer_ms)),
        Figure(section=SECTION, name="PostgreSQL CPU per event", unit="ms", samples=tuple(postgres_ms)),
    ]


def _heard(rates: tuple[float, ...], base: Base) -> Figure:
    return Figure(
        section=SECTION, name="events heard, to the raw client", unit="1/s", samples=rates, base=base
    )


def _hear(site: Site, count: int) -> tuple[float, list[float]]:
    with site.admin("reconciliation") as ours:
        started = books.number(ours, _HEARD)
        books.publish_captures(site, count)
        with site.process("reconciliation", "consume") as pid:
            window = books.Window(count, (pid, site.postgres_pid))
            return window.run(lambda: books.number(ours, _HEARD), started, f"{count} events heard")
