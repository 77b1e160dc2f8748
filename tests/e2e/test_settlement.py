"""A processor's report comes in by API: its lines are booked, the payment is settled, and the books still tie out.

At both processors, also where the money that was paid out is disputed afterwards.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from shared.testing.serving import Answer
from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.claims import ClaimScript
from tests.e2e.paying_out import PayingOut
from tests.e2e.shop import SETTLE_S, Shop, new_key, order, server_at
from tests.e2e.side_by_side import side_by_side
from tools.local_stack.services import ALPHA_ACCOUNT, BETA_ACCOUNT
from tools.local_stack.stack import LocalStack

ACCOUNTS = {"alpha": ALPHA_ACCOUNT, "beta": BETA_ACCOUNT}
AMOUNT = 10_000
FEE = 170
DISPUTED = 4_000


class Office:
    """Ann at the reconciliation service, with the reports of one processor."""

    def __init__(self, stack: LocalStack, processor: str) -> None:
        self.processor = processor
        self.source = f"{processor}_report"
        self._server = server_at(stack.url("reconciliation"))
        self._token = TokenIssuer(stack.secrets.ed25519("operator_tokens")[0]).operator(
            "ann", OperatorRole.OPERATOR
        )

    def call(self, method: str, path: str, body: object = None) -> Answer:
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": new_key()}
        return self._server.call(method, path, body, headers)

    def send(self, name: str, content: bytes) -> dict[str, Any]:
        """A report, staged."""
        sent = self.call("POST", f"/sources/{self.source}/files?name={name}", content)
        assert sent.status == 201, sent

        def staged() -> dict[str, Any] | None:
            shown: dict[str, Any] = self.call("GET", f"/files/{sent.document['id']}").document
            return None if shown["state"] == "RECEIVED" else shown

        found: dict[str, Any] = eventually(staged, timeout_s=SETTLE_S, describe=f"{name} was staged")
        return found


@pytest.fixture(scope="module")
def offices(stack: LocalStack) -> dict[str, Office]:
    """By the processor whose reports they send."""
    return {processor: declared(Office(stack, processor)) for processor in ACCOUNTS}


@dataclass(frozen=True, slots=True)
class Place:
    """A merchant whose payments go to one processor, and whoever sends that one's reports."""

    shop: Shop
    office: Office


@pytest.fixture
def places(shop: Shop, beta_shop: Shop, offices: dict[str, Office]) -> dict[str, Place]:
    """By processor; what happens at one does not wait for the other."""
    return {"alpha": Place(shop, offices["alpha"]), "beta": Place(beta_shop, offices["beta"])}


@pytest.fixture
def office_there(offices: dict[str, Office], processor: str) -> Office:
    """With the reports of this turn's processor."""
    return offices[processor]


def declared(made: Office) -> Office:
    """Its reports are known to reconciliation from now on."""
    answer = made.call(
        "POST",
        "/sources",
        {
            "source": made.source, "format": "tieout_csv", "processor": made.processor,
            "account": ACCOUNTS[made.processor],
            "reason": "what the end-to-end tests settle",
        },
    )  # fmt: skip
    assert answer.status == 201, answer
    return made


def line(line_id: str, payout: str, minor: int, *, fee_minor: int = 0, **more: str) -> dict[str, str]:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return {
        "balance_transaction_id": line_id, "created_utc": now, "available_on_utc": now, "currency": "EUR",
        "gross": f"{minor / 100:.2f}", "fee": f"{fee_minor / 100:.2f}", "net": f"{(minor - fee_minor) / 100:.2f}",
        "reporting_category": "charge", "source_id": "", "automatic_payout_id": payout, **more,
    }  # fmt: skip


def report(*rows: dict[str, str]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def booked(books: Books, office: Office, line_id: str) -> list[dict[str, Any]]:
    """The journals of a line, newest last."""
    return books.rows(
        "ledger",
        "SELECT fact_key, payment_id FROM journals WHERE rule = 'settlement_line' AND fact_key LIKE %s ORDER BY position",
        f"{office.source}:{line_id}:%",
    )


def captured(shop: Shop, books: Books) -> tuple[str, str]:
    """A payment that reconciliation has heard of, and the processor's id of its capture."""
    payment_id: str = shop.post("/payments", order(AMOUNT), wait_s=30).document["id"]
    assert shop.settled(payment_id)["status"] == "CAPTURED"
    (capture_id,) = books.captures(payment_id)
    heard = "SELECT count(*) FROM our_items WHERE payment_id = %s"
    eventually(
        lambda: books.count("reconciliation", heard, payment_id),
        timeout_s=SETTLE_S,
        describe="it was heard of",
    )
    return payment_id, capture_id


def shows(shop: Shop, payment_id: str, status: str, settled_minor: int) -> None:
    def seen() -> tuple[str, int]:
        payment = shop.payment(payment_id)
        return payment["status"], payment["amount_settled"]

    eventually(
        lambda: seen() == (status, settled_minor),
        timeout_s=SETTLE_S,
        describe=lambda: f"{payment_id}: {seen()}",
    )


def payout_row(line_id: str, payout: str, minor: int) -> dict[str, str]:
    return line(f"{line_id}-total", payout, -minor, reporting_category="payout")


def test_a_line_of_an_uploaded_report_is_booked_and_settles_its_payment(
    stack: LocalStack, shop_there: Shop, books: Books, office_there: Office
) -> None:
    """Disputed afterwards it is settled again when it is won, and what is lost stays paid out."""
    payment_id, capture_id = captured(shop_there, books)
    line_id, payout = f"txn_{new_key()}", f"po_{new_key()}"
    ours = line(line_id, payout, AMOUNT, fee_minor=FEE, source_id=capture_id)
    file = office_there.send("one.csv", report(ours, payout_row(line_id, payout, AMOUNT - FEE)))
    assert (file["state"], file["line_count"], file["quarantined_count"]) == ("STAGED", 2, 0)
    shows(shop_there, payment_id, "SETTLED", AMOUNT)
    lines = partial(booked, books, office_there, line_id)
    eventually(lines, timeout_s=SETTLE_S, describe="the line is booked")
    assert [row["payment_id"] for row in lines()] == [payment_id]
    with ClaimScript(stack, office_there.processor) as others:
        dispute_id = others("captures", capture_id, "dispute", DISPUTED)
        shows(shop_there, payment_id, "DISPUTED", AMOUNT)
        others("disputes", dispute_id, "win")
        shows(shop_there, payment_id, "SETTLED", AMOUNT)
        others("disputes", dispute_id, "open")
        shows(shop_there, payment_id, "DISPUTED", AMOUNT)
        others("disputes", dispute_id, "lose")
        shows(shop_there, payment_id, "SETTLED", AMOUNT)

    def amounts() -> tuple[int, int]:
        payment = shop_there.payment(payment_id)
        return payment["amount_disputed"], payment["amount_reversed"]

    # What was won came back by a row of its own, which may be the last to come.
    eventually(
        lambda: amounts() == (0, DISPUTED), timeout_s=SETTLE_S, describe=lambda: f"lost once: {amounts()}"
    )
    book = books.at_processors(payment_id)
    assert (book["captured_minor"], book["withdrawn_minor"]) == (AMOUNT, DISPUTED)


def corrected(books: Books, place: Place) -> None:
    """What a corrected report no longer has is taken back, and a right one brings it again."""
    shop, office = place.shop, place.office
    payment_id, capture_id = captured(shop, books)
    line_id, payout = f"txn_{new_key()}", f"po_{new_key()}"
    ours = line(line_id, payout, AMOUNT, fee_minor=FEE, source_id=capture_id)
    office.send("first.csv", report(ours, payout_row(line_id, payout, AMOUNT - FEE)))
    shows(shop, payment_id, "SETTLED", AMOUNT)
    office.send("corrected.csv", report(payout_row(line_id, payout, 0)))
    shows(shop, payment_id, "CAPTURED", 0)
    late = line(f"{line_id}-late", "", 100)
    office.send("right.csv", report(ours, payout_row(line_id, payout, AMOUNT - FEE), late))
    shows(shop, payment_id, "SETTLED", AMOUNT)
    # A reading of nothing moves nothing: it only takes the first one back.
    readings = [f"{office.source}:{line_id}:1", f"{office.source}:{line_id}:3"]
    eventually(
        lambda: [row["fact_key"] for row in booked(books, office, line_id)] == readings,
        timeout_s=SETTLE_S,
        describe=lambda: f"the first and the last reading are booked: {booked(books, office, line_id)}",
    )


def broken_report_moves_nothing(books: Books, place: Place) -> None:
    """Cut off in the middle it is refused whole; of a line that stands twice one is booked."""
    shop, office = place.shop, place.office
    payment_id, capture_id = captured(shop, books)
    line_id, payout = f"txn_{new_key()}", f"po_{new_key()}"
    ours = line(line_id, payout, AMOUNT, fee_minor=FEE, source_id=capture_id)
    whole = report(ours, payout_row(line_id, payout, AMOUNT - FEE))
    cut_off = office.send("cut-off.csv", whole[:-9])
    assert cut_off["state"] == "REFUSED", cut_off
    assert booked(books, office, line_id) == []
    office.send("twice.csv", report(ours, ours, payout_row(line_id, payout, AMOUNT - FEE)))
    shows(shop, payment_id, "SETTLED", AMOUNT)
    eventually(lambda: booked(books, office, line_id), timeout_s=SETTLE_S, describe="the line is booked")
    assert [row["payment_id"] for row in booked(books, office, line_id)] == [payment_id]


def test_corrected_and_broken_reports_leave_each_line_as_it_is_right(
    books: Books, places: dict[str, Place]
) -> None:
    """At both processors at once."""
    side_by_side(
        {
            f"{course.__name__} at {name}": partial(course, books, place)
            for name, place in places.items()
            for course in (corrected, broken_report_moves_nothing)
        }
    )


def damaged_by_the_processor(books: Books, place: Place, paying: PayingOut) -> None:
    """Its own report cut off in our line is refused whole; with that line twice it counts once, the other is set aside."""
    shop, office = place.shop, place.office
    paying.pay_out(office.processor)  # What others have earned is paid out, and on no report of ours.
    payment_id, _ = captured(shop, books)
    paying.pay_out(office.processor)
    seeds = {file: f"{file}{new_key()[-16:]}" for file in ("cut_off", "line_twice")}
    cut, twice = (paying.damage(seed, file, payment_id) for file, seed in seeds.items())
    assert (cut["payout_id"], cut["payment_id"]) == (twice["payout_id"], payment_id)
    part = paying.report(office.processor, seeds["cut_off"], cut["payout_id"])
    refused = office.send(f"{seeds['cut_off']}.csv", part)
    assert (refused["state"], refused["refusal"]["code"]) == ("REFUSED", cut["break_type"]), refused
    assert booked(books, office, cut["transaction_id"]) == []
    whole = paying.report(office.processor, seeds["line_twice"], twice["payout_id"])
    assert whole.startswith(part)
    staged = office.send(f"{seeds['line_twice']}.csv", whole)
    assert (staged["state"], staged["quarantined_count"]) == ("STAGED", 1), staged
    aside = office.call("GET", f"/files/{staged['id']}/quarantine").document["data"]
    assert [row["code"] for row in aside] == [twice["break_type"]]
    shows(shop, payment_id, "SETTLED", AMOUNT)
    lines = partial(booked, books, office, twice["transaction_id"])
    eventually(lines, timeout_s=SETTLE_S, describe="the line is booked")
    assert [row["payment_id"] for row in lines()] == [payment_id]


def test_reports_that_a_processor_damages_move_nothing_twice_and_nothing_wrongly(
    stack: LocalStack, books: Books, places: dict[str, Place]
) -> None:
    """By the sandbox's answer key, at both processors at once."""
    with PayingOut(stack) as paying:
        side_by_side(
            {
                f"damaged at {name}": partial(damaged_by_the_processor, books, place, paying)
                for name, place in places.items()
            }
        )
