"""Statements on a real database: opening + movements = closing on every page, of one seal position, for ever."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from typer.testing import CliRunner

from services.ledger.adapters.negative_balances import SqlNegativeBalances
from services.ledger.adapters.sealing import Sealer
from services.ledger.adapters.snapshotting import Folder
from services.ledger.adapters.statements import SqlStatements
from services.ledger.app.fold_snapshots import Folding
from services.ledger.app.moments import TimeKind
from services.ledger.app.statements import DrawUpStatement, draw_up_statement, whole_statement
from services.ledger.domain.chart import AccountRef
from services.ledger.entrypoints.cli import cli
from services.ledger.entrypoints.http import application
from services.ledger.tests.payloads import Payment
from shared.kernel.errors import Rejected
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, TokenVerifier, new_key_pair

OPERATORS, MERCHANTS = new_key_pair(), new_key_pair()
PAYMENT, FOREIGN = Payment(1, merchant=1), Payment(2, merchant=2)
PENDING = AccountRef("merchant_pending", PAYMENT.merchant_id, "EUR")
EVER = {"since": datetime(1970, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}
WANTED = DrawUpStatement(account=PENDING, **EVER)
HISTORY = [
    PAYMENT.captured(10_000, 300),
    PAYMENT.refund_requested(4_000),
    PAYMENT.refund_failed(4_000),
    FOREIGN.captured(500),
    Payment(3, merchant=1).captured(2_500, 100),
    Payment(4, merchant=1).captured(2_600, 100),
]


@pytest.fixture
def books(ledger):
    for payload in HISTORY:
        ledger.tell(payload)
    Sealer(ledger.transactions).turn()
    return SqlStatements(ledger.engine)


def nets(pages):
    return [movement.net_minor for page in pages for movement in page.movements]


def test_it_opens_with_nothing_and_closes_with_the_balance(ledger, books):
    page = draw_up_statement(WANTED, books)
    assert page.opening_minor == 0
    assert page.closing_minor == sum(nets([page])) == ledger.balances()[PENDING]
    assert [m.rule for m in page.movements if m.net_minor > 0] == ["capture"] * 3
    assert (page.movements[0].from_party, page.movements[0].to_party) == ("customer", "merchant")


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("by", list(TimeKind))
def test_pages_fit_together_while_booking_goes_on(ledger, books, limit, by):
    whole = draw_up_statement(replace(WANTED, by=by), books)
    pages = []
    for page in whole_statement(replace(WANTED, limit=limit, by=by), books):
        pages.append(page)
        ledger.tell(Payment(10 + len(pages), merchant=1).captured(1_000, 10))
        Sealer(ledger.transactions).turn()
    assert nets(pages) == nets([whole])
    assert [page.opening_minor for page in pages[1:]] == [page.closing_minor for page in pages[:-1]]
    assert (pages[0].opening_minor, pages[-1].closing_minor) == (whole.opening_minor, whole.closing_minor)
    assert {page.as_of for page in pages} == {whole.as_of}
    again = replace(WANTED, by=by, as_of=whole.as_of)
    assert draw_up_statement(again, books) == whole
    assert draw_up_statement(replace(WANTED, by=by), books).closing_minor > whole.closing_minor


def test_what_is_not_sealed_is_not_on_it(ledger, books):
    before = draw_up_statement(WANTED, books)
    ledger.tell(Payment(10, merchant=1).captured(1_000, 10))
    assert draw_up_statement(WANTED, books) == before


@pytest.mark.parametrize("by", list(TimeKind))
def test_a_page_may_end_between_two_entries_of_one_journal(ledger, by):
    """Both stand on the same account, and a snapshot stands at just this journal."""
    folder = Folder(ledger.transactions, Folding(every_seals=1, entries_min=1))
    for nth in range(3):
        ledger.tell(PAYMENT.refund_requested(1_000 + nth, nth, fee_returned_minor=10 + nth))
        Sealer(ledger.transactions).turn()
        folder.turn()
    wanted = replace(WANTED, account=PENDING._replace(family="merchant_available"), by=by, limit=1)
    pages = list(whole_statement(wanted, SqlStatements(ledger.engine)))
    assert nets(pages) == [-1_000, 10, -1_001, 11, -1_002, 12]
    assert pages[-1].closing_minor == ledger.balances()[wanted.account]


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(cuts=st.lists(st.integers(0, 12), min_size=1, max_size=4, unique=True), limit=st.integers(1, 4))
def test_periods_that_follow_each_other_add_up_to_the_whole(books, cuts, limit):
    whole = draw_up_statement(WANTED, books)
    times = sorted({movement.at for movement in whole.movements})
    edges = [times[cut % len(times)] + timedelta(microseconds=cut // len(times)) for cut in sorted(cuts)]
    bounds = [EVER["since"], *sorted(set(edges)), EVER["until"]]
    balance_minor, seen = 0, []
    for since, until in pairwise(bounds):
        pages = list(whole_statement(replace(WANTED, since=since, until=until, limit=limit), books))
        assert pages[0].opening_minor == balance_minor
        balance_minor = pages[-1].closing_minor
        seen += nets(pages)
    assert (balance_minor, seen) == (whole.closing_minor, nets([whole]))


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"account": AccountRef("merchant_pending", "mer_nobody", "EUR")}, "account_not_found", None),
        ({"account": AccountRef("piggy_bank", PAYMENT.merchant_id, "EUR")}, "field_invalid", "family"),
        ({"until": EVER["since"]}, "field_invalid", "until"),
        ({"since": datetime(2026, 1, 1)}, "field_invalid", "since"),  # noqa: DTZ001
        ({"as_of": 10_000}, "not_sealed_yet", "as_of"),
        ({"cursor": "x"}, "field_invalid", "cursor"),
        ({"cursor": "1_2026-11-24T00:00:00.000000_1_1_0"}, "field_invalid", "cursor"),
        ({"cursor": "9999_2026-11-24T00:00:00Z_1_1_0"}, "not_sealed_yet", "as_of"),
    ],
)
def test_bad_questions_name_what_was_expected(books, changes, code, param):
    with pytest.raises(Rejected) as refused:
        draw_up_statement(replace(WANTED, **changes), books)
    assert (refused.value.code, refused.value.param) == (code, param)


def asked(ledger, headers, **changes):
    app = application(
        ledger.reader,
        SqlStatements(ledger.engine),
        SqlNegativeBalances(ledger.engine),
        operators=TokenVerifier(OPERATORS[1]),
        merchants=TokenVerifier(MERCHANTS[1]),
    )
    params = {
        "family": PENDING.family, "currency": "EUR", "since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z",
    } | changes  # fmt: skip
    with TestClient(app) as client:
        return client.get("/statement", headers=headers, params=params)


def test_a_merchant_reads_its_own_and_an_operator_any(ledger, books):
    operator = {"Authorization": f"Bearer {TokenIssuer(OPERATORS[0]).operator('ada', OperatorRole.VIEWER)}"}
    token = TokenIssuer(MERCHANTS[0]).merchant_reader(PAYMENT.merchant_id, "test")
    merchant = {"Authorization": f"Bearer {token}"}
    assert asked(ledger, {}).status_code == 401
    own = asked(ledger, merchant).json()
    assert own["closing_minor"] == ledger.balances()[PENDING]
    assert asked(ledger, operator, owner=PAYMENT.merchant_id).json() == own
    assert asked(ledger, merchant, owner=FOREIGN.merchant_id).status_code == 404
    assert asked(ledger, merchant, family="fee_revenue", owner="platform").status_code == 404
    assert asked(ledger, operator).json()["param"] == "owner"
    assert asked(ledger, merchant, since="2026-01-01T00:00:00").json()["param"] == "since"
    assert asked(ledger, merchant, since="2026-01-01T00:00:00+20:00").json()["opening_minor"] == 0
    for beyond in ("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"):
        assert asked(ledger, merchant, until=beyond).json()["param"] == "until"
    assert asked(ledger, merchant, till="2026-01-01T00:00:00Z").status_code == 422
    page = asked(ledger, merchant, limit="1").json()
    assert (
        asked(ledger, merchant, cursor=page["next_cursor"]).json()["opening_minor"] == page["closing_minor"]
    )


def test_a_statement_over_http_is_csv_and_json_lines_as_well(ledger, books, ledger_urls, monkeypatch):
    """All pages in one reply, the same text as in the terminal; who may not read it reads no file either."""
    monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
    token = TokenIssuer(MERCHANTS[0]).merchant_reader(PAYMENT.merchant_id, "test")
    merchant = {"Authorization": f"Bearer {token}"}
    words = ["statement", *PENDING, "--since", "2000-01-01", "--until", "2100-01-01"]
    for form, media_type in (("csv", "text/csv"), ("jsonl", "application/jsonl")):
        reply = asked(ledger, merchant, format=form, limit="1")
        assert reply.headers["content-type"].partition(";")[0] == media_type
        assert reply.text == CliRunner().invoke(cli, [*words, "--format", form]).stdout
        assert asked(ledger, merchant, format=form, owner=FOREIGN.merchant_id).status_code == 404
        assert asked(ledger, merchant, format=form, cursor="nonsense").json()["param"] == "cursor"
    assert asked(ledger, merchant, format="xlsx").json()["param"] == "format"


def test_the_command_writes_one_document(ledger, books, ledger_urls, monkeypatch):
    monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
    said = json.loads(CliRunner().invoke(cli, ["statement", *PENDING, "--json"]).stdout)
    assert (said["opening_minor"], said["closing_minor"]) == (0, ledger.balances()[PENDING])
    assert said["movements"][-1]["balance_minor"] == said["closing_minor"]
    assert said["as_of"] == len(ledger.rows("SELECT FROM seals"))


def test_the_command_writes_tables_csv_and_json_lines(ledger, books, ledger_urls, monkeypatch):
    monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
    words = ["statement", *PENDING]
    closing_minor = ledger.balances()[PENDING]
    rows = list(csv.DictReader(io.StringIO(CliRunner().invoke(cli, [*words, "--format", "csv"]).stdout)))
    assert [rows[0]["rule"], rows[-1]["rule"]] == ["opening", "closing"]
    assert rows[-1]["balance_minor"] == rows[-2]["balance_minor"] == str(closing_minor)
    lines = CliRunner().invoke(cli, [*words, "--format", "jsonl"]).stdout.splitlines()
    assert json.loads(lines[0])["opening"] == 0
    assert json.loads(lines[-1])["balance_minor"] == closing_minor
    table = CliRunner().invoke(cli, words).stdout
    assert f"{closing_minor // 100}.{closing_minor % 100:02}" in table
    assert "As of seal" in table
    refused = CliRunner().invoke(cli, ["statement", "merchant_pending", "mer_nobody", "EUR"])
    assert (refused.exit_code, "account_not_found" in refused.output) == (1, True)
