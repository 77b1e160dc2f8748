"""POST /payments alone (API and PostgreSQL), and whole payments through everything with an instant processor."""

import json
import time
from collections.abc import Callable
from itertools import count
from typing import Final

from tools.bench import own_statements
from tools.bench.cpu import cpu_s
from tools.bench.figures import Base, Figure, percentile
from tools.bench.http_load import Load, drive
from tools.bench.site import Site, wait_until
from tools.local_stack.services import SERVICES

CREATE: Final = "POST /payments, API and PostgreSQL only"
JOURNEY: Final = "payments end to end, instant processor"
WARM_UP: Final = 600
"""Until every request thread has its connection, and every connection its prepared statements."""
CLIENTS: Final = (1, 8, 32)
LOADED: Final = 8
CREATED: Final = 201
CREATE_FLOOR: Final = 0.15
CREATE_AIM: Final = 0.25
HALF_LOAD_P99_AIM_MS: Final = 50.0
CPU_FLOOR_MS: Final = 40.0
CPU_AIM_MS: Final = 20.0
RATE_FLOOR: Final = 40.0
RATE_AIM: Final = 100.0
BARE_PER_S: Final = 8_000.0
"""What a FastAPI application that does nothing answered where the bounds above were found (design section 10)."""
CREATE_BASE_PER_S: Final = 6_000.0
"""What pgbench made of the five statements there, in the middle of 5,100 to 6,900."""
QUIET_POLL_S: Final = 0.25
QUIET_POLLS: Final = 4

EVERY: Final = tuple(service.name for service in SERVICES)
"""Also those that no payment waits for: their work belongs to its price."""

_numbers = count(1)


def measure_create(site: Site, base: Base, bare: Base) -> list[Figure]:
    """Rate and latency of creating payments that nobody processes: no relay, no consumer, no wait."""
    figures: list[Figure] = []
    half: list[float] = []
    with site.process("payment", "serve") as pid:
        site.wait_ready("payment")
        create = _requests(site, payment_method=None)
        _post(site, create, clients=LOADED, requests=WARM_UP)
        own = own_statements.measure(
            site,
            own_statements.recorded(site, lambda: _post(site, create, clients=1, requests=1)),
            CREATE,
        )
        for clients in CLIENTS:
            site.progress(f"POST /payments, {clients} clients")
            requests = (400 if clients == 1 else 1_500) // (2 if site.quick else 1)
            loads = [_post(site, create, clients=clients, requests=requests) for _ in range(site.repetitions)]
            figures += _create_figures(loads, clients, (base, own.as_base()), bare)
        before, spent = cpu_s(pid), 600
        rate = max(figure.median for figure in figures if figure.unit == "1/s") / 2
        for _ in range(site.repetitions):
            site.progress("POST /payments at half of the highest rate")
            load = _post(site, create, clients=max(CLIENTS), requests=spent, rate=rate)
            half.append(percentile(load.latencies_s, 0.99) * 1000)
        api_ms = (cpu_s(pid) - before) * 1000 / (spent * site.repetitions)
    return [
        own,
        *figures,
        Figure(section=CREATE, name="p99 at half load", unit="ms", samples=tuple(half),
               aim=HALF_LOAD_P99_AIM_MS, smaller_is_better=True),
        Figure(section=CREATE, name="API CPU per request", unit="ms", samples=(api_ms,)),
    ]  # fmt: skip


def _create_figures(loads: list[Load], clients: int, bases: tuple[Base, ...], bare: Base) -> list[Figure]:
    """The rate to each base; the bounds are those of the first, whose five statements design section 10 names.

    It names the base's clients and not ours, so every rate under load is held to them. A lone client's is round trips.
    The second sends a lone request's statements, a COMMIT for each payment, where requests in company share one: its
    ratio says what the API adds and may flatter.
    """
    bound = bases[0] if clients >= LOADED else None
    rates = tuple(load.rate for load in loads)
    figures = [
        Figure(section=CREATE, name=f"rate, {clients} clients", unit="1/s", samples=rates, base=base,
               floor=CREATE_FLOOR if base is bound else None, aim=CREATE_AIM if base is bound else None)
        for base in bases
    ]  # fmt: skip
    if bound is not None:
        scale = CREATE_BASE_PER_S / BARE_PER_S * 1000
        figures.append(
            Figure(section=CREATE, name=f"rate, {clients} clients, per 1,000 bare requests", unit="1",
                   samples=tuple(rate / bare.value * 1000 for rate in rates),
                   floor=CREATE_FLOOR * scale, aim=CREATE_AIM * scale)
        )  # fmt: skip
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        values = tuple(percentile(load.latencies_s, share) * 1000 for load in loads)
        figures.append(Figure(section=CREATE, name=f"{name}, {clients} clients", unit="ms", samples=values))
    return figures


def measure_journey(site: Site, bare: Base) -> list[Figure]:
    """Sales from request to journal with every process on this machine.

    Once in seconds and milliseconds, and once in requests to a FastAPI application that does nothing, which tells this
    host's speed from what is ours: the bounds are the same, where it answers ``BARE_PER_S``.
    """
    for service in EVERY:
        site.stack.supervisor.start(service)
    for service in EVERY:
        site.wait_ready(service)
    names = ["postgres", "kafka", *EVERY]
    create = _requests(site, payment_method="pm_card_visa")
    payments = 100 if site.quick else 400
    _journey(site, create, 50, names)
    rates: list[float] = []
    spent: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(site.repetitions):
        site.progress(f"{payments} payments from request to journal")
        rate, costs_ms = _journey(site, create, payments, names)
        rates.append(rate)
        for name, cost_ms in costs_ms.items():
            spent[name].append(cost_ms)
    totals = tuple(map(sum, zip(*spent.values(), strict=True)))
    return [
        Figure(section=JOURNEY, name="payments", unit="1/s", samples=tuple(rates), floor=RATE_FLOOR, aim=RATE_AIM),
        Figure(section=JOURNEY, name="CPU per payment, all processes", unit="ms", samples=totals,
               floor=CPU_FLOOR_MS, aim=CPU_AIM_MS, smaller_is_better=True),
        Figure(section=JOURNEY, name="payments per 1,000 bare requests", unit="1",
               samples=tuple(rate / bare.value * 1000 for rate in rates),
               floor=RATE_FLOOR / BARE_PER_S * 1000, aim=RATE_AIM / BARE_PER_S * 1000),
        Figure(section=JOURNEY, name="CPU per payment, in bare requests", unit="1",
               samples=tuple(total * bare.value / 1000 for total in totals),
               floor=CPU_FLOOR_MS * BARE_PER_S / 1000, aim=CPU_AIM_MS * BARE_PER_S / 1000, smaller_is_better=True),
        *(Figure(section=JOURNEY, name=f"of it {name}", unit="ms", samples=tuple(spent[name])) for name in names),
    ]  # fmt: skip


def _journey(
    site: Site, create: Callable[[], bytes], payments: int, names: list[str]
) -> tuple[float, dict[str, float]]:
    pids = {name: site.stack.supervisor.pid_of(name) for name in names}
    with site.admin("ledger") as books, site.admin("webhook_ingest") as webhooks:

        def number(session: object, query: str) -> int:
            row = session.execute(query).fetchone()  # type: ignore[attr-defined]
            return int(row[0])

        journals = "SELECT count(*) FROM journals WHERE rule = 'capture'"
        deliveries = "SELECT count(*) FROM deliveries"
        before, told_before = number(books, journals), number(webhooks, deliveries)
        cpu = {name: cpu_s(pid) for name, pid in pids.items()}
        started = time.perf_counter()
        _post(site, create, clients=LOADED, requests=payments)
        wait_until(lambda: number(books, journals) - before >= payments, f"{payments} captures booked")
        elapsed_s = time.perf_counter() - started
        # What follows a payment belongs to its price: its webhooks come, and are found to be known.
        seen: list[int] = []

        def quiet() -> bool:
            seen.append(number(webhooks, deliveries) - told_before)
            return seen[-1] >= payments and seen[-QUIET_POLLS:] == [seen[-1]] * QUIET_POLLS

        wait_until(quiet, f"{payments} webhooks received", poll_s=QUIET_POLL_S)
    return payments / elapsed_s, {
        name: (cpu_s(pid) - cpu[name]) * 1000 / payments for name, pid in pids.items()
    }


def _post(
    site: Site, create: Callable[[], bytes], *, clients: int, requests: int, rate: float | None = None
) -> Load:
    return drive(
        site.stack.url("payment"), create, clients=clients, count=requests, expected=CREATED, rate=rate
    )


def _requests(site: Site, *, payment_method: str | None) -> Callable[[], bytes]:
    """Return a maker of requests, each with a key of its own."""
    body = {"amount": 1999, "currency": "EUR", "capture_method": "automatic"}
    if payment_method is not None:
        body["payment_method"] = payment_method
    content = json.dumps(body).encode()
    head = (
        "POST /payments HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {site.stack.merchant(site.progress).api_key}\r\nPrefer: wait=0\r\n"
        f"Content-Length: {len(content)}\r\nIdempotency-Key: "
    ).encode()
    run = f"run-{time.time_ns():x}"  # hex: a long run of digits could look like a card number

    def make() -> bytes:
        return b"%s%s-%d\r\n\r\n%s" % (head, run.encode(), next(_numbers), content)

    return make
