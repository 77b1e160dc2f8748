"""No secret and no card number lies in a table, a topic or a log, whatever was sent and wherever it was written.

It runs behind the tests that throw everything at the stack, so that what they left is swept too.
"""

from __future__ import annotations

import json
from typing import Final

import orjson

from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.desk import Desk
from tests.e2e.shop import Shop, exchange, new_key, order, server_at
from tests.e2e.sweep import sweep
from tools.local_stack.services import SERVICES
from tools.local_stack.stack import LocalStack

CARD: Final = "5105105105105100"
"""A test number of a card brand, valid by its check digit, that no other test sends."""
PRINTED: Final = "5105 1051 0510 5100"
STRANGERS_KEY: Final = "sk_test_canary7d1f0c5b9e2a4863"
STRANGERS_TOKEN: Final = "eyJhbGciOiJFZERTQSJ9.canary3e8b17.c2lnbmF0dXJl"


def secrets_of(stack: LocalStack) -> dict[str, str]:
    """Every secret that the stack was made with, by the name of its file."""
    found = {}
    for file in stack.place.secrets.rglob("*"):
        if not file.is_file():
            continue
        text = file.read_text().strip()
        name = str(file.relative_to(stack.place.secrets))
        if file.suffix == ".json":
            found[name] = json.loads(text)["api_key"]
        elif "PRIVATE KEY" in text:
            found[name] = text.splitlines()[1]
        elif "PUBLIC KEY" not in text:
            found[name] = text
    return found


def send_a_card_everywhere(shop: Shop, desk: Desk, stack: LocalStack) -> list[int]:
    """A card number at every place where somebody could put one; the replies' statuses."""
    body = orjson.dumps(order())
    framed = {"Content-Length": str(len(body))}
    webhooks = server_at(stack.url("webhook_ingest"))
    return [
        *(shop.post("/payments", order() | {field: CARD}).status for field in ("description", "reference")),
        shop.post("/payments", order(description=f"paid with {PRINTED}")).status,
        shop.post("/payments", order(method=CARD)).status,
        shop.post("/payments", order(metadata={"card": CARD})).status,
        shop.post("/payments", order(metadata={CARD: "card"})).status,
        shop.post("/payments", order(), key=CARD).status,
        shop.post("/refunds", {"payment": CARD}).status,
        shop.get(f"/payments/{CARD}").status,
        shop.get(f"/payments?starting_after={CARD}").status,
        shop.get(f"/{CARD}").status,
        desk.post("ann", f"/cases/{CARD}/accept", reason=CARD).status,
        exchange(shop.server, shop.head("/payments", framed | {"X-Card": CARD}) + b"\r\n" + body).status,
        exchange(shop.server, shop.head(f"/{CARD}", framed | {"User-Agent": CARD}) + b"\r\n" + body).status,
        *(
            webhooks.call("POST", f"/webhooks/{path}", {"card": CARD}, {"Alpha-Signature": CARD}).status
            for path in ("alpha", "beta", CARD)
        ),
        *(
            server_at(stack.url(service.name)).call("GET", f"/{CARD}?card={CARD}", None, {}).status
            for service in SERVICES
        ),
    ]  # fmt: skip


def call_as_a_stranger(stack: LocalStack) -> list[int]:
    """Keys and tokens that are none of ours, at every service: a stranger's secret is a secret, too."""
    return [
        server_at(stack.url(service.name))
        .call("POST", path, {}, {"Authorization": f"Bearer {word}", "Idempotency-Key": new_key()})
        .status
        for service in SERVICES
        for path in ("/payments", "/operator/decisions/x/approve", "/sources")
        for word in (STRANGERS_KEY, STRANGERS_TOKEN)
    ]


def test_no_secret_and_no_card_number_lies_anywhere(
    stack: LocalStack, shop: Shop, desk: Desk, books: Books
) -> None:
    statuses = send_a_card_everywhere(shop, desk, stack) + call_as_a_stranger(stack)
    assert max(statuses) < 500
    forbidden = secrets_of(stack) | {
        "operator's token": books.operator_token,
        "card": CARD,
        "printed card": PRINTED,
        "stranger's key": STRANGERS_KEY,
        "stranger's token": STRANGERS_TOKEN,
    }
    assert len(forbidden) > 20
    paid = shop.post("/payments", order())
    payment_id = paid.document["id"]
    eventually(
        lambda: books.count("ledger", "SELECT count(*) FROM journals WHERE payment_id = %s", payment_id),
        timeout_s=60,
        describe="the payment's journal",
    )
    seen = sweep(stack, forbidden | {"payment": payment_id, "start": '"event":"started"'})
    # What does lie there is found: a sweep that sees nothing anywhere would be green for ever.
    assert seen >= {
        *((place, "payment") for place in ("payment.payments", "topic payment.events", "ledger.journals")),
        *((f"log {service.name}.log", "start") for service in SERVICES),
    }
    assert {(place, name) for place, name in seen if name in forbidden} == set()
