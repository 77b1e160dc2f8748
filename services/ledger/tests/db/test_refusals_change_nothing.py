"""Whatever the ledger refuses, by command, by file, by event or in SQL, leaves every row of its database as it was."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import psycopg
import pytest

from schemas.catalogue import Encoded, encode
from services.ledger.app.adjust_books import propose_adjustment, propose_reversal
from services.ledger.domain import adjustments
from services.ledger.domain.adjustment_templates import TEMPLATES
from services.ledger.tests.bringing import bring
from services.ledger.tests.db.adjusting import ADA, MERCHANT, approve, book, pay_out, propose, wanted
from services.ledger.tests.db.closing import At, close, propose_closing
from services.ledger.tests.db.test_refused_events import TOPIC, bent
from services.ledger.tests.import_lines import BAD, line, write
from services.ledger.tests.payloads import AT_ALPHA, Payment
from shared.kernel.errors import Rejected

JULY = datetime(2024, 7, 15, 12, tzinfo=UTC)
#: Where a record that is parked adds one row each, of its own key: the key's and its own, the place of its key before
#: it, its dead letter and the stream of that.
PARKED = frozenset({"parked_keys", "parked_records", "inbox_versions", "outbox", "outbox_streams"})


class Digests:
    """One digest per table of the database, over all columns of all rows, read by their owner."""

    def __init__(self, owner_url):
        self._url = owner_url

    def __call__(self, without_key=None):
        """``without_key``: leaving out, of what parking writes to, the rows of this key."""
        with psycopg.connect(self._url) as connection:
            tables = connection.execute(
                "SELECT c.oid::regclass::text, coalesce((SELECT inhparent::regclass::text FROM pg_inherits"
                " WHERE inhrelid = c.oid), c.relname) FROM pg_class c"
                " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1"
            ).fetchall()
            digests = {}
            for table, name in tables:
                left_out = "WHERE key <> %(key)s" if without_key and name in PARKED else ""
                (digest,) = connection.execute(
                    "SELECT encode(sha256(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')"
                    f"::bytea), 'hex') FROM {table} t {left_out}",
                    {"key": without_key} if left_out else None,
                ).fetchone()
                digests[name, table] = digest
        return digests

    def changed(self, before):
        """The tables that are not as they were."""
        after = self()
        return {name for (name, table), digest in after.items() if before.get((name, table)) != digest}


@pytest.fixture
def digests(ledger_urls):
    return Digests(ledger_urls.owner.replace("postgresql+psycopg", "postgresql"))


@dataclasses.dataclass(frozen=True)
class Desk:
    """Books with something of everything in them, and what is proposed there."""

    ledger: object
    path: object
    reversed_id: str
    reversal_id: str
    waiting_id: str


@pytest.fixture
def desk(ledger, tmp_path):
    payment = Payment(1)
    ledger.tell(payment.captured(10_000, 300), time=JULY)
    close(ledger, "2024-07")
    ledger.tell(payment.refund_requested(4_000), payment.stray_found(700))
    book(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    reversed_id = book(ledger, "merchant_debit", 100, merchant_id=MERCHANT).adjustment_id
    made = ledger.transactions.run(
        lambda uow: propose_reversal(reversed_id, "wrong", "t", ADA, uow), name="t"
    )
    approve(ledger, made.adjustment_id)
    bring(ledger, write(tmp_path / "before.jsonl", [line(1)]))
    waiting = propose(ledger, "merchant_credit", 5, merchant_id=MERCHANT)
    return Desk(ledger, tmp_path / "bad.jsonl", reversed_id, made.adjustment_id, waiting)


def proposed(desk, template, amount, currency="EUR", **parameters):
    made = wanted(template, amount, currency=currency, **parameters)
    desk.ledger.transactions.run(lambda uow: propose_adjustment(made, ADA, uow), name="test")


def reverse(desk, adjustment_id):
    desk.ledger.transactions.run(
        lambda uow: propose_reversal(adjustment_id, "wrong", "t", ADA, uow), name="test"
    )


NOBODY = "mer_" + "9" * 26
KEPT = "adj_" + "0" * 26


COMMANDS = {
    "account_not_found": lambda desk: proposed(desk, "merchant_credit", 5, merchant_id=NOBODY),
    "currency_not_held": lambda desk: proposed(desk, "merchant_credit", 5, "USD", merchant_id=MERCHANT),
    "template_unknown": lambda desk: proposed(desk, "suspense_to_me", 5),
    "parameter_invalid": lambda desk: proposed(desk, "merchant_credit", 5, merchant_id="mer_nobody"),
    "parameter_missing": lambda desk: proposed(desk, "merchant_credit", 5),
    "currency_unknown": lambda desk: proposed(desk, "merchant_credit", 5, "EUX", merchant_id=MERCHANT),
    "amount_not_positive": lambda desk: proposed(desk, "merchant_credit", 0, merchant_id=MERCHANT),
    "amount_too_large": lambda desk: proposed(desk, "merchant_credit", 2**53, merchant_id=MERCHANT),
    "clearing_key_of_stray": lambda desk: proposed(
        desk, "suspense_to_merchant", 5, merchant_id=MERCHANT, clearing_key="str_1"
    ),
    "four_eyes": lambda desk: approve(desk.ledger, desk.waiting_id, ADA),
    "adjustment_not_found": lambda desk: approve(desk.ledger, "adj_nobody"),
    "adjustment_wrong_state": lambda desk: approve(desk.ledger, desk.reversal_id),
    "adjustment_reversed_already": lambda desk: reverse(desk, desk.reversed_id),
    "adjustment_is_reversal": lambda desk: reverse(desk, desk.reversal_id),
    "period_closed": lambda desk: approve(At(desk.ledger, JULY), desk.waiting_id),
    "period_out_of_order": lambda desk: propose_closing(desk.ledger, "2024-10"),
}


def test_a_refused_command_changes_no_row(desk, digests):
    before = digests()
    for code, command in COMMANDS.items():
        with pytest.raises(Rejected) as told:
            command(desk)
        assert told.value.code == code
        assert digests.changed(before) == set(), code


MISTYPED = {
    "processor's account": (
        "receivable_write_off",
        {**AT_ALPHA, "account": "acct_omega", "clearing_key": "k"},
    ),
    "processor": ("receivable_write_off", {**AT_ALPHA, "processor": "omega", "clearing_key": "k"}),
    "bank account": ("merchant_payout", {"merchant_id": MERCHANT, "bank_account": "main_usd"}),
    "merchant beside a key that is right": (
        "suspense_from_merchant",
        {"merchant_id": NOBODY, "clearing_key": Payment(1).id("str", 0)},
    ),
}


@pytest.mark.parametrize("what", MISTYPED)
def test_an_account_that_nobody_has_is_not_opened_by_a_slip_of_the_pen(desk, digests, what):
    template, parameters = MISTYPED[what]
    before = digests()
    with pytest.raises(Rejected) as told:
        proposed(desk, template, 5, **parameters)
    assert (told.value.code, told.value.status) == ("account_not_found", 422)
    assert digests.changed(before) == set()


@pytest.mark.parametrize(
    ("currency", "merchant", "code"),
    [("EUR", NOBODY, "account_not_found"), ("USD", MERCHANT, "currency_not_held")],
)
def test_what_was_proposed_of_nobody_is_not_approved_either(desk, digests, currency, merchant, code):
    """Kept by an earlier release, or before these books were rebuilt."""
    kept = wanted("merchant_credit", 5, currency=currency, merchant_id=merchant)
    desk.ledger.transactions.run(
        lambda uow: uow.adjustments.add(KEPT, kept, by="ada", at=uow.now), name="test"
    )
    before = digests()
    with pytest.raises(Rejected) as told:
        approve(desk.ledger, KEPT)
    assert told.value.code == code
    assert digests.changed(before) == set()


def test_what_is_not_refused_is_seen_to_change_rows(desk, digests):
    before = digests()
    approve(desk.ledger, desk.waiting_id)
    assert digests.changed(before) >= {"adjustments", "entries", "journals", "outbox"}


def test_a_payout_below_the_floor_changes_no_row(desk, digests):
    too_much = pay_out(desk.ledger, 501)
    before = digests()
    with pytest.raises(Rejected) as told:
        approve(desk.ledger, too_much)
    assert told.value.code == "floor_reached"
    assert digests.changed(before) == set()


def test_a_month_that_is_closed_is_not_proposed_again_and_changes_no_row(desk, digests):
    before = digests()
    with pytest.raises(Rejected) as told:
        propose_closing(desk.ledger, "2024-07")
    assert told.value.code == "period_closed"
    assert digests.changed(before) == set()


def test_a_template_that_does_not_balance_books_nothing(desk, digests, monkeypatch):
    whole = TEMPLATES["merchant_credit"]
    monkeypatch.setattr(
        adjustments, "TEMPLATES", {**TEMPLATES, whole.name: dataclasses.replace(whole, legs=whole.legs[:1])}
    )
    before = digests()
    with pytest.raises(Rejected) as told:
        approve(desk.ledger, desk.waiting_id)
    assert told.value.code == "template_unbalanced"
    assert digests.changed(before) == set()


def test_a_file_with_one_bad_line_changes_no_row(desk, digests):
    before = digests()
    for code, (_, change) in BAD.items():
        write(desk.path, [line(number) if number < 7 else change(line(number)) for number in range(2, 8)])
        (refused,) = bring(desk.ledger, desk.path).checked.refused
        assert refused.code == code
        assert digests.changed(before) == set(), code


def of_version(data, version):
    whole = encode(TOPIC, data)
    event_type = f"{type(data).__name__.removesuffix('V1')}.v{version}"
    return Encoded(event_type=event_type, data_schema=whole.data_schema, payload=whole.payload)


EVENTS = {
    "capture of zero": ("amount_not_positive", lambda new: bent(new.captured(1), amount_minor=0)),
    "capture of less": ("amount_not_positive", lambda new: bent(new.captured(1), amount_minor=-1)),
    "capture with less than no fee": ("amount_negative", lambda new: bent(new.captured(1), fee_minor=-1)),
    "refund of zero": ("amount_not_positive", lambda new: bent(new.refund_requested(1), amount_minor=0)),
    "refund of less": ("amount_not_positive", lambda new: bent(new.refund_succeeded(1), amount_minor=-1)),
    "dispute of zero": (
        "amount_not_positive",
        lambda new: bent(new.dispute_withdrawn(1, "r"), amount_minor=0),
    ),
    "more held than comes back": (
        "held_above_amount",
        lambda new: encode(TOPIC, new.dispute_reinstated(4_000, 4_001, "r")),
    ),
    "reversal of less": (
        "amount_not_positive",
        lambda new: bent(new.reversal_received(1, "r"), amount_minor=-1),
    ),
    "stray of zero": ("amount_not_positive", lambda new: bent(new.stray_found(1), amount_minor=0)),
    "currency of nobody": ("currency_unknown", lambda new: bent(new.captured(1), currency="EUX")),
    "currency in words": ("currency_unknown", lambda new: bent(new.captured(1), currency="euro")),
    "more than can be counted": ("amount_too_large", lambda new: bent(new.captured(1), amount_minor=2**53)),
    "amount as a fraction": ("contract_violated", lambda new: bent(new.captured(1), amount_minor=1.5)),
    "version of tomorrow": ("event_undeclared", lambda new: of_version(new.captured(1), 2)),
    "failure of what never was": (
        "nothing_to_reverse",
        lambda new: encode(TOPIC, new.refund_failed(4_000, nth=1)),
    ),
    "fact told with other money": (
        "booked_otherwise",
        lambda _: encode(TOPIC, Payment(1).captured(9_999, 300)),
    ),
}


def rows_of(ledger, key):
    return {table: ledger.rows(f"SELECT count(*) FROM {table} WHERE key = '{key}'")[0][0] for table in PARKED}


def test_a_refused_event_is_parked_with_its_code_and_changes_nothing_else(desk, stream, digests):
    for number, (what, (code, make)) in enumerate(EVENTS.items(), start=2):
        new = Payment(number)
        before = digests()
        stream.publish_bytes(TOPIC, new.payment_id, make(new))
        stream.drain()
        assert digests.changed(before) == PARKED, what
        assert digests(without_key=new.payment_id) == before, what
        assert rows_of(desk.ledger, new.payment_id) == dict.fromkeys(PARKED, 1), what
        assert desk.ledger.rows(
            "SELECT p.reason, split_part(p.detail, ':', 1), v.last_version FROM parked_keys p"
            f" JOIN inbox_versions v USING (consumer, topic, key) WHERE p.key = '{new.payment_id}'"
        ) == [("poison", code, 0)], what


REVERSED_AGAIN = (
    "INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject, currency,"
    " amount_minor, entry_count, effective_at, reverses_position) SELECT 900, 'jrn_x', 'again', 'e', 'Test.v1',"
    " fact_key, 's', currency, amount_minor, entry_count, effective_at, reverses_position FROM journals"
    " WHERE reverses_position IS NOT NULL LIMIT 1"
)
OTHER_CURRENCY = (
    "INSERT INTO entries (journal_position, line, account_id, side, amount_minor, currency, clearing_key)"
    " SELECT journal_position, 99, account_id, side, amount_minor, 'USD', clearing_key FROM entries LIMIT 1"
)


@pytest.mark.parametrize(
    ("statement", "error"),
    [(REVERSED_AGAIN, "journals_reversed_once"), (OTHER_CURRENCY, "does not fit")],
    ids=["reversed twice", "other currency than the account's"],
)
def test_what_sql_refuses_changes_no_row(desk, app_sql, digests, statement, error):
    before = digests()
    with pytest.raises(psycopg.errors.IntegrityError, match=error):
        app_sql.execute(statement)
    app_sql.rollback()
    assert digests.changed(before) == set()
