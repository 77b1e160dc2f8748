"""Refunds that race for the same money, at both processors: never more goes back than came in, by either book."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx2

from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.claims import ClaimScript
from tests.e2e.shop import SETTLE_S, Shop, new_key, order
from tools.local_stack.stack import LocalStack

CAPTURED = 10_000
SIXTY = 6_000
THIRTY = 3_000
PAIRS = 100
TENS = 5
AT_ONCE = 16
WAIT_S = 30
DECIDED_S = 60
BOTH = ("alpha", "beta")


@dataclass(frozen=True, slots=True)
class Raced:
    """What a payment's refunds, all sent at the same instant, were answered."""

    payment_id: str
    replies: Sequence[httpx2.Response]

    def __post_init__(self) -> None:
        assert {(reply.status_code, reply.json().get("code")) for reply in self.replies} <= {
            (201, None),
            (409, "refund_exceeds_room"),
        }, [reply.text for reply in self.replies]

    @property
    def taken(self) -> int:
        return sum(reply.status_code == 201 for reply in self.replies)


class Racer:
    """A merchant's client with connections enough for every refund to leave at once."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        limits = httpx2.Limits(max_connections=AT_ONCE * 2)
        headers = shop.authorization | {"Prefer": f"wait={WAIT_S}"}
        self._http = httpx2.AsyncClient(base_url=shop.url, headers=headers, timeout=WAIT_S * 2, limits=limits)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def races(self, times: int, *, refunds: int, amount: int) -> list[Raced]:
        """Sell so many times and let so many refunds race for each."""

        async def race() -> Raced:
            async with self._turns:
                payment_id = await self._sold()
                return await self.refund(payment_id, refunds=refunds, amount=amount)

        return list(await asyncio.gather(*(race() for _ in range(times))))

    async def refund(self, payment_id: str, *, refunds: int, amount: int) -> Raced:
        body = {"payment": payment_id, "amount": amount}
        return Raced(
            payment_id, await asyncio.gather(*(self._post("/refunds", body) for _ in range(refunds)))
        )

    async def _sold(self) -> str:
        reply = await self._post("/payments", order(CAPTURED))
        assert reply.status_code == 201, reply.text
        payment: dict[str, Any] = reply.json()
        payment = await asyncio.to_thread(self._shop.settled, payment["id"])
        assert payment["amount_captured"] == CAPTURED, payment
        return str(payment["id"])

    async def _post(self, path: str, body: dict[str, Any]) -> httpx2.Response:
        return await self._http.post(path, json=body, headers={"Idempotency-Key": new_key()})


def at_both(shops: Sequence[Shop], times: int, *, refunds: int, amount: int) -> list[Raced]:
    """Both processors' races, side by side."""

    async def all_races() -> list[Raced]:
        async def at_one(shop: Shop) -> list[Raced]:
            async with Racer(shop) as racer:
                return await racer.races(times, refunds=refunds, amount=amount)

        return [raced for found in await asyncio.gather(*map(at_one, shops)) for raced in found]

    return asyncio.run(all_races())


def refunded(books: Books, raced: Sequence[Raced]) -> set[tuple[int, int]]:
    """How often and how much the processors gave back of these payments, once every refund is decided."""
    ids = [one.payment_id for one in raced]
    undecided = "SELECT count(*) FROM operations WHERE payment_id = ANY(%s) AND type = 'refund' AND state <> 'SUCCEEDED'"
    eventually(
        lambda: books.count("payment", undecided, ids) == 0,
        timeout_s=DECIDED_S,
        interval_s=0.2,
        describe=lambda: f"{books.count('payment', undecided, ids)} refunds decided",
    )
    ours = books.rows(
        "payment", "SELECT payment_id, refunded_minor FROM payments WHERE payment_id = ANY(%s)", ids
    )
    theirs = books.rows(
        "sandbox",
        "SELECT payment_id, refunds, refunded_minor FROM alpha_book_by_payment WHERE payment_id = ANY(%s)"
        " UNION ALL SELECT payment_id, refunds, refunded_minor FROM beta_book_by_payment WHERE payment_id = ANY(%s)",
        ids,
        ids,
    )
    assert {row["payment_id"]: row["refunded_minor"] for row in theirs} == {
        row["payment_id"]: row["refunded_minor"] for row in ours
    }
    assert len(theirs) == len(ids)
    return {(row["refunds"], row["refunded_minor"]) for row in theirs}


def test_of_two_refunds_of_60_on_100_exactly_one_succeeds_100_times_at_either_processor(
    shop: Shop, beta_shop: Shop, books: Books
) -> None:
    raced = at_both((shop, beta_shop), PAIRS, refunds=2, amount=SIXTY)
    assert [one.taken for one in raced] == [1] * PAIRS * len(BOTH)
    assert refunded(books, raced) == {(1, SIXTY)}


def test_of_ten_refunds_of_30_on_100_exactly_three_succeed(shop: Shop, beta_shop: Shop, books: Books) -> None:
    raced = at_both((shop, beta_shop), TENS, refunds=10, amount=THIRTY)
    assert [one.taken for one in raced] == [3] * TENS * len(BOTH)
    assert refunded(books, raced) == {(3, 3 * THIRTY)}


def test_after_a_dispute_lost_in_full_none_succeeds_and_the_refusal_names_the_room(
    shop_there: Shop, books: Books, stack: LocalStack, processor: str
) -> None:
    payment_id = shop_there.post("/payments", order(CAPTURED), wait_s=WAIT_S).document["id"]
    assert shop_there.settled(payment_id)["status"] == "CAPTURED"
    (capture_id,) = books.captures(payment_id)
    with ClaimScript(stack, processor) as script:
        script("disputes", script("captures", capture_id, "dispute"), "lose")
    eventually(
        lambda: shop_there.payment(payment_id)["status"] == "REVERSED",
        timeout_s=SETTLE_S,
        describe=lambda: f"the dispute lost; {shop_there.payment(payment_id)}",
    )

    async def race() -> Raced:
        async with Racer(shop_there) as racer:
            return await racer.refund(payment_id, refunds=10, amount=1)

    raced = asyncio.run(race())

    assert raced.taken == 0
    assert {reply.json()["detail"] for reply in raced.replies} == {
        "at most 0 can be refunded, 1 was asked for"
    }
    assert books.at_processors(payment_id)["refunds"] == 0
