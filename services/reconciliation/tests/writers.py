"""Plain writers of every format, for tests: they share nothing with the readers."""

from __future__ import annotations

import csv
import io

SCALES = {"EUR": 2, "USD": 2, "GBP": 2, "JPY": 0, "KWD": 3}


def major(minor, currency):
    """Minor units as a decimal text with all of the currency's decimals."""
    scale = SCALES[currency]
    digits = str(abs(minor)).rjust(scale + 1, "0")
    text = digits if scale == 0 else f"{digits[:-scale]}.{digits[-scale:]}"
    return f"-{text}" if minor < 0 else text


def csv_bytes(rows, *, delimiter=",", end="\n", encoding="utf-8"):
    """Dicts of one set of names as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


def tieout_row(
    number, payout="po_1", *, currency="EUR", minor=10_000, fee_minor=170, category="charge", **more
):
    """A row of our own CSV from minor units; ``more`` replaces or adds columns."""
    return {
        "balance_transaction_id": f"txn_{number}",
        "created_utc": "2026-11-24 10:00:00",
        "available_on_utc": "2026-11-26 00:00:00",
        "currency": currency,
        "gross": major(minor, currency),
        "fee": major(fee_minor, currency),
        "net": major(minor - fee_minor, currency),
        "reporting_category": category,
        "source_id": f"cap_{number}",
        "charge_id": "",
        "automatic_payout_id": payout,
        "our_reference": f"op_{number}",
        "description": "",
        **more,
    }


def tieout_payout(number, payout, net, *, currency="EUR"):
    """The payout's own row, which takes ``net`` off the balance."""
    return tieout_row(
        number, payout, currency=currency, minor=-net, fee_minor=0, category="payout", source_id=""
    )


def stripe_row(
    number, payout="po_1", *, currency="eur", minor=10_000, fee_minor=170, category="charge", **more
):
    """A row of Stripe's payout reconciliation report; ``more`` replaces or adds columns."""
    scale_of = currency.upper()
    return {
        "automatic_payout_id": payout,
        "automatic_payout_effective_at_utc": "2026-11-26 00:00:00",
        "balance_transaction_id": f"txn_{number}",
        "created_utc": "2026-11-24 10:00:00",
        "available_on_utc": "2026-11-26 00:00:00",
        "currency": currency,
        "gross": major(minor, scale_of),
        "fee": major(fee_minor, scale_of),
        "net": major(minor - fee_minor, scale_of),
        "reporting_category": category,
        "source_id": f"ch_{number}",
        "description": "",
        "charge_id": f"ch_{number}",
        "payment_intent_id": f"pi_{number}",
        "payment_metadata[operation_id]": f"op_{number}",
        "trace_id": "",
        **more,
    }


def stripe_payout(number, payout, net, *, currency="eur"):
    """The payout's own row, which takes ``net`` off the balance."""
    return stripe_row(
        number,
        payout,
        currency=currency,
        minor=-net,
        fee_minor=0,
        category="payout",
        source_id=payout,
        charge_id="",
    )
