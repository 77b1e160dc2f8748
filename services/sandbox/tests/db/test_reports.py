"""Reports over HTTP and by command: what they say is the book, to the last unit, and the same state is the same bytes."""

import csv
import io
import json
import re
from collections import defaultdict
from decimal import Decimal

import pytest

from services.sandbox.tests.db.conftest import DAY_S, SETTLEMENT, get, key, script, span

BANK = ("camt053", "mt940", "bai2")


def rows(body):
    return list(csv.DictReader(io.StringIO(body.decode())))


def payout_sums(alpha):
    return {row["id"]: row["amount_minor"] for row in alpha.rows("SELECT * FROM payouts")}


@pytest.mark.parametrize("form", SETTLEMENT)
def test_a_report_has_every_line_once_and_the_payouts_own_row_takes_them_out(traded, form):
    asked = {"processor": "alpha", "format": form, **span(traded)}
    body = get(traded, "settlement", **asked).content
    assert body == get(traded, "settlement", **asked).content
    found = rows(body)
    lines = traded.rows("SELECT count(*) AS n FROM payout_lines")[0]["n"]
    payouts = payout_sums(traded)
    assert len(found) == lines + len(payouts)
    sums = defaultdict(Decimal)
    for row in found:
        if form == "adyen_settlement_csv":
            net = Decimal(row["Net Credit (NC)"] or 0) - Decimal(row["Net Debit (NC)"] or 0)
            sums[row["Batch Number"]] += net
        else:
            sums[row["automatic_payout_id"]] += Decimal(row["net"])
    assert len(sums) == len(payouts)
    assert set(sums.values()) == {Decimal(0)}


def test_columns_and_figures_of_the_stripe_report(traded):
    found = rows(
        get(traded, "settlement", processor="alpha", format="stripe_payout_csv", **span(traded)).content
    )
    kwd = next(row for row in found if row["currency"] == "kwd" and row["reporting_category"] == "charge")
    assert (kwd["gross"], kwd["fee"], kwd["net"]) == ("10.000", "0.590", "9.410")
    assert kwd["payment_metadata[operation_id]"] == "op_0KWD"
    usd = next(row for row in found if row["customer_facing_currency"] == "usd")
    assert (usd["currency"], usd["customer_facing_amount"]) == ("eur", "100.00")
    dispute = next(row for row in found if row["reporting_category"] == "dispute")
    assert (dispute["gross"], dispute["fee"], dispute["net"]) == ("-0.700", "1.500", "-2.200")
    assert dispute["source_id"].startswith("dsp_")
    assert {row["reporting_category"] for row in found} >= {"risk_reserved_funds", "payout", "refund"}


def statements(form, body):
    """Opening, entries and closing of each statement, in minor units of a currency with three decimals or none."""
    text = body.decode("ascii")
    if form == "camt053":
        for statement in re.findall(r"<Stmt>.*?</Stmt>", text, re.DOTALL):
            sided = re.findall(
                r"<(Bal|Ntry)>.*?<Amt Ccy=\"\w+\">([\d.]+)</Amt><CdtDbtInd>(CRDT|DBIT)<", statement, re.DOTALL
            )
            amounts = [Decimal(amount) * (1 if side == "CRDT" else -1) for _, amount, side in sided]
            yield amounts[0], amounts[2:], amounts[1]
    elif form == "mt940":
        for statement in text.split("-\r\n")[:-1]:
            signed = [
                Decimal(amount.replace(",", ".")) * (1 if mark in {"C", "RD"} else -1)
                for mark, amount in re.findall(
                    r":6[0-2](?:F:|:\d{6}(?:\d{4})?)(R?[CD])(?:\d{6}\w{3})?([\d,]+)", statement
                )
            ]
            yield signed[0], signed[1:-1], signed[-1]
    else:
        opening = closing = Decimal(0)
        entries = []
        for record in text.splitlines():
            fields = record.rstrip("/").split(",")
            if fields[0] == "03":
                opening, closing, entries = Decimal(fields[4]), Decimal(fields[8]), []
            elif fields[0] == "16":
                entries.append(Decimal(fields[2]) * (1 if fields[1] in {"165", "257"} else -1))
            elif fields[0] == "49":
                yield opening, entries, closing


@pytest.mark.parametrize("form", BANK)
@pytest.mark.parametrize("currency", ["EUR", "KWD"])
def test_statements_open_where_the_last_one_closed_and_close_where_their_entries_lead(traded, form, currency):
    asked = {"currency": currency, "format": form, **span(traded)}
    body = get(traded, "bank", **asked).content
    assert body == get(traded, "bank", **asked).content
    found = list(statements(form, body))
    assert len(found) > 1
    scale = Decimal(1) if form == "bai2" else Decimal(10) ** (3 if currency == "KWD" else 2)
    at = Decimal(0)
    for opening, entries, closing in found:
        assert opening == at
        at = opening + sum(entries)
        assert closing == at
    (book,) = traded.rows(f"SELECT sum(amount_minor) AS n FROM bank_entries WHERE currency = '{currency}'")
    assert at * scale == book["n"]
    booked = sorted(int(amount * scale) for _, entries, _ in found for amount in entries)
    assert booked == sorted(
        row["amount_minor"]
        for row in traded.rows(f"SELECT * FROM bank_entries WHERE currency = '{currency}'")
    )


def test_a_day_without_entries_has_a_statement_of_its_own_if_it_is_asked_for(alpha):
    for form in BANK:
        (only,) = statements(form, get(alpha, "bank", currency="EUR", format=form).content)
        assert only == (0, [], 0)


@pytest.mark.parametrize(
    ("what", "query", "status", "param"),
    [
        ("settlement", {"processor": "alpha", "format": "camt053"}, 400, "format"),
        ("settlement", {"processor": "gamma", "format": "tieout_csv"}, 400, "processor"),
        ("settlement", {"processor": "alpha", "format": "tieout_csv", "from": "today"}, 400, "from"),
        ("settlement", {"processor": "alpha", "format": "tieout_csv", "from": "2020-01-01"}, 400, "from"),
        ("settlement", {"processor": "alpha", "format": "tieout_csv", "seed": "9"}, 404, "seed"),
        ("bank", {"currency": "XXX", "format": "mt940"}, 400, "currency"),
        ("bank", {"currency": "EUR", "format": "mt940", "day": "x"}, 400, "day"),
        ("answer-key", {"seed": "9"}, 404, "seed"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(alpha, what, query, status, param):
    reply = get(alpha, what, **query)
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param)


def test_reports_are_shown_to_nobody_without_the_key(alpha):
    base = str(alpha.http.base_url).replace("/alpha/v1/", "/reports/v1/")
    reply = alpha.http.get(f"{base}bank?currency=EUR&format=mt940", headers={"Authorization": "Bearer x"})
    assert reply.status_code == 401


def test_the_command_writes_the_same_bytes_and_a_file_is_whole_or_not_there(traded, commands, tmp_path):
    asked = {"processor": "alpha", "format": "tieout_csv", **span(traded)}
    body = get(traded, "settlement", **asked).content
    words = [
        "report",
        "settlement",
        *(word for name, value in asked.items() for word in (f"--{name}", value)),
    ]
    assert commands(*words).out == body
    out = tmp_path / "report.csv"
    assert commands(*words, "--out", str(out)).code == 0
    assert out.read_bytes() == body
    assert [path.name for path in tmp_path.iterdir()] == ["report.csv"]
    assert commands(*words, "--seed", "9").code == 1


def test_every_error_is_planted_once_by_seed_and_the_book_stays_as_it_was(traded, commands):
    before = [traded.rows(f"SELECT * FROM {table}") for table in ("balance_transactions", "bank_entries")]
    planted = script(traded, "errors", seed="7")["data"]
    assert script(traded, "errors", seed="7", each=5)["data"] == planted == key(traded, "7")
    assert json.loads(commands("answer-key", "--seed", "7", "--json").out) == planted
    found = {error["error"]: error for error in planted}
    assert len(found) == len(planted) == 12
    assert found["duplicate"]["break_type"] == "duplicate_charge"
    assert [
        traded.rows(f"SELECT * FROM {table}") for table in ("balance_transactions", "bank_entries")
    ] == before
    objects = [error["transaction_id"] for error in planted if error["transaction_id"]]
    assert len(set(objects)) == len(objects)


def test_reports_with_errors_say_them_and_still_add_up(traded):
    script(traded, "errors", seed="7")
    asked = {"processor": "alpha", "format": "tieout_csv", **span(traded)}
    honest = {row["balance_transaction_id"]: row for row in rows(get(traded, "settlement", **asked).content)}
    told_body = get(traded, "settlement", **asked, seed="7").content
    told = {row["balance_transaction_id"]: row for row in rows(told_body)}
    errors = {error["error"]: error for error in key(traded, "7")}
    added = {
        errors[name]["transaction_id"] for name in ("duplicate", "unknown_charge", "unknown_refund", "status")
    }
    left_out = {errors[name]["transaction_id"] for name in ("refund_left_out", "charge_left_out")}
    assert set(told) - set(honest) == added
    assert set(honest) - set(told) == left_out
    changed = {
        line
        for line, row in told.items()
        if line in honest and row != honest[line] and row["reporting_category"] != "payout"
    }
    assert changed == {errors[name]["transaction_id"] for name in ("currency", "amount", "fee", "late")}
    assert told[errors["late"]["transaction_id"]]["automatic_payout_id"] == errors["late"]["told_payout_id"]
    sums, paid = defaultdict(Decimal), {}
    for row in told.values():
        sums[row["automatic_payout_id"]] += Decimal(row["net"])
        if row["reporting_category"] == "payout":
            paid[row["automatic_payout_id"]] = -Decimal(row["net"])
    assert set(sums.values()) == {Decimal(0)}
    _the_bank_agrees(traded, paid, errors)


def _the_bank_agrees(traded, paid, errors):
    """Of each payout the statements tell what its report tells, but for the entry that is left out and the one invented."""
    arrived = defaultdict(Decimal)
    for currency in ("EUR", "KWD"):
        asked = {"currency": currency, "format": "camt053", **span(traded)}
        body = get(traded, "bank", **asked, seed="7").content
        at = None
        for opening, entries, closing in statements("camt053", body):
            assert at in (None, opening)
            at = opening + sum(entries)
            assert closing == at
        for trace, amount, side in re.findall(
            r"<EndToEndId>(\w+)</EndToEndId></Refs><Amt Ccy=\"\w+\">([\d.]+)</Amt><CdtDbtInd>(\w+)<",
            body.decode(),
        ):
            arrived[trace] += Decimal(amount) * (1 if side == "CRDT" else -1)
    payouts = traded.rows("SELECT * FROM payouts")
    missing = {row["trace"] for row in payouts if arrived[row["trace"]] != paid[row["id"]]}
    assert missing == {errors["unbooked"]["reference"]}
    assert arrived[errors["invented"]["reference"]] > 0


def _both_pay_out(beta):
    """Lines of the same ids at both processors: each numbers its own."""
    alpha = beta.alpha
    for number in range(12):
        alpha.sell(f"k{number}", amount=10_000 + number)
        beta.sold(f"op_{number}")
    refunded = [beta.sold(f"op_r{number}") for number in range(3)]
    for charge in refunded:
        beta.post(f"transactions/{charge}/credit", {"merchant_ref": f"op_c{charge}"})
    for processor in ("alpha", "beta"):
        script(alpha, "payouts", processor=processor, everything=True)
    return alpha


def test_a_report_says_no_error_of_another_processor(beta):
    alpha = _both_pay_out(beta)
    alpha.advance(10 * DAY_S)
    planted = script(alpha, "errors", seed="7", each=2)["data"]
    for processor in ("alpha", "beta"):
        asked = {"processor": processor, "format": "tieout_csv", **span(alpha)}
        honest = {
            row["balance_transaction_id"]: row for row in rows(get(alpha, "settlement", **asked).content)
        }
        told = rows(get(alpha, "settlement", **asked, seed="7").content)
        said = {row["balance_transaction_id"]: row for row in told if row["reporting_category"] != "payout"}
        wrong = {line for line, row in said.items() if row != honest.get(line)}
        left_out = {line for line, row in honest.items() if row["reporting_category"] != "payout"} - set(said)
        own = {
            error["transaction_id"]: error["error"] for error in planted if error["processor"] == processor
        }
        gone = {line for line, error in own.items() if line and error.endswith("left_out")}
        assert (left_out, wrong) == (gone, {line for line in own if line} - gone)


def test_errors_are_planted_at_both_processors_and_only_in_what_has_reached_the_bank(beta):
    alpha = _both_pay_out(beta)
    assert script(alpha, "errors", seed="early")["data"] == []
    alpha.advance(10 * DAY_S)
    for processor in ("alpha", "beta"):
        found = [
            error for error in script(alpha, "errors", seed="7")["data"] if error["processor"] == processor
        ]
        assert {"amount", "currency", "duplicate", "fee", "charge_left_out"} <= {
            error["error"] for error in found
        }
        for form in SETTLEMENT:
            asked = {"processor": processor, "format": form, **span(alpha)}
            assert (
                get(alpha, "settlement", **asked, seed="7").content
                != get(alpha, "settlement", **asked).content
            )
    refunds = [row for row in key(alpha, "7") if row["error"] == "refund_left_out"]
    assert [row["processor"] for row in refunds] == ["beta"]
