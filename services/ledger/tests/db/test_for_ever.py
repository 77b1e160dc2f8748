"""The same question with the same seal position is answered the same for ever, refusals and pages included."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from services.ledger.adapters.negative_balances import SqlNegativeBalances
from services.ledger.adapters.sealing import Sealer
from services.ledger.adapters.snapshotting import Folder
from services.ledger.adapters.statements import SqlStatements
from services.ledger.app.fold_snapshots import Folding
from services.ledger.app.moments import Moment
from services.ledger.entrypoints.http import application
from services.ledger.tests.payloads import NOW, Payment
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, TokenVerifier, new_key_pair

PRIVATE, PUBLIC = new_key_pair()
HEADERS = {"Authorization": f"Bearer {TokenIssuer(PRIVATE).operator('ada', OperatorRole.VIEWER)}"}
OWN = {"owner": Payment(1).merchant_id, "currency": "EUR"}
EVER = {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
QUESTIONS = [
    ("/balances", {"merchant": Payment(1).merchant_id}),
    ("/balances", {"merchant": Payment(1).merchant_id, "by": "booked"}),
    ("/balances", {"merchant": Payment(9, merchant=9).merchant_id}),
    *(("/balance", {**OWN, "family": family}) for family in ("merchant_pending", "merchant_available")),
    ("/balance", {**OWN, "family": "merchant_pending", "currency": "USD"}),
    ("/balance", {**OWN, "family": "merchant_pending", "currency": "GBP"}),
    *(("/statement", {**OWN, **EVER, "family": family}) for family in ("merchant_pending", "merchant_available")),
    ("/statement", {**OWN, **EVER, "family": "merchant_pending", "currency": "USD", "by": "effective"}),
    *(("/accounts", {"limit": limit, "after": after}) for limit in (1, 2, 100) for after in (0, 1, 2, 3)),
    ("/accounts", {"limit": 100, "by": "effective", "at": "2026-11-22T13:00:00Z"}),
    ("/trial-balance", {}),
    ("/trial-balance", {"currency": "EUR"}),
    ("/account-tree", {}),
]  # fmt: skip


@pytest.fixture(
    params=[None, Folding(every_seals=1, entries_min=1)], ids=["without snapshots", "with snapshots"]
)
def tell(ledger, request):
    def told(*payloads):
        for payload in payloads:
            ledger.tell(payload)
            Sealer(ledger.transactions).turn()
            if request.param:
                Folder(ledger.transactions, request.param).turn()

    return told


def answers(ledger, as_of):
    app = application(
        ledger.reader, SqlStatements(ledger.engine), SqlNegativeBalances(ledger.engine), now=lambda: NOW,
        operators=TokenVerifier(PUBLIC), merchants=None,
    )  # fmt: skip
    with TestClient(app) as client:
        replies = [
            client.get(path, headers=HEADERS, params={"as_of": as_of, **asked}) for path, asked in QUESTIONS
        ]
    bodies = [reply.json() for reply in replies]
    for body in bodies:
        body.pop("request_id", None)
    return [
        (asked, reply.status_code, body)
        for asked, reply, body in zip(QUESTIONS, replies, bodies, strict=True)
    ]


def test_accounts_that_are_opened_later_change_no_answer(ledger, tell):
    tell(Payment(1).captured(10_000, 300), Payment(2, merchant=2).captured(500))
    before = answers(ledger, 2)
    tell(
        Payment(1).refund_requested(40),
        Payment(3, currency="USD").captured(70, 3),
        Payment(9, merchant=9).captured(5, 1),
        Payment(1).captured(1, nth=7),
    )
    assert answers(ledger, 2) == before
    nowhere = [asked for asked, status, _ in before if status == 404]
    assert len(nowhere) == 5, "no available account, no dollars, no pounds yet"


def test_a_page_of_accounts_is_full_though_some_had_no_entry_yet(ledger, tell):
    """Accounts are opened in one order and take effect in another: those that drop out leave no page short."""
    for number, day in enumerate([25, 21, 26, 20, 19], 1):
        ledger.tell(Payment(number, merchant=number).captured(100 + number), time=NOW.replace(day=day))
    tell()
    reads, shown, after = SqlStatements(ledger.engine), [], 0
    while page := reads.accounts_page(
        family="merchant_pending", owner=None, currency=None, after=after, limit=2,
        moment=Moment(effective_before=NOW),
    ):  # fmt: skip
        assert len(page) == 2 or not shown or len(shown) == 2
        shown += [account.balance_minor for account in page]
        after = page[-1].account_id
    assert shown == [102, 104, 105]
