"""Random valid files of each format, with the figures that they state; written by the plain writers."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from services.reconciliation.tests import writers

CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "KWD"])
AMOUNTS = st.integers(-10_000_000, 10_000_000)
FEES = st.integers(-5_000, 5_000)
CATEGORIES = st.sampled_from(
    ["charge", "refund", "refund_failure", "dispute", "reversal", "reserve", "elsewhere"]
)
TEXTS = st.sampled_from(["", "plain", "a, b", 'said "so"', "two\nlines", "Müller; Søn"])


@dataclass
class GeneratedFile:
    """Bytes, and what every line of them says: the same tuples as ``figures`` makes of what was read."""

    content: bytes
    figures: list[tuple] = field(default_factory=list)


@st.composite
def balance_rows(draw, row_of, payout_of, currency_as):
    """The rows of a few payouts, each in one currency and with its own row at the end."""
    rows, figures, number = [], [], 0
    for payout in range(draw(st.integers(1, 3))):
        code, paid = draw(CURRENCIES), 0
        currency = currency_as(code)
        for gross, fee, category in draw(
            st.lists(st.tuples(AMOUNTS, FEES, CATEGORIES), min_size=1, max_size=5)
        ):
            number += 1
            paid += gross - fee
            more = {"description": draw(TEXTS)}
            rows.append(
                row_of(
                    number,
                    f"po_{payout}",
                    currency=currency,
                    minor=gross,
                    fee_minor=fee,
                    category=category,
                    **more,
                )
            )
            figures.append((code, gross, code, fee, code, gross - fee))
        number += 1
        rows.append(payout_of(number, f"po_{payout}", paid, currency=currency))
        figures.append((code, -paid, code, 0, code, -paid))
    return GeneratedFile(writers.csv_bytes(rows), figures)


ADYEN_TYPES = st.sampled_from(["Settled", "Refunded", "RefundedReversed", "Chargeback", "Fee", "EpaPaid"])


@st.composite
def adyen_files(draw):
    rows, figures, number = [], [], 0
    for batch in range(draw(st.integers(1, 3))):
        code, paid = draw(CURRENCIES), 0
        for gross, fee, kind in draw(st.lists(st.tuples(AMOUNTS, FEES, ADYEN_TYPES), min_size=1, max_size=5)):
            # Now and then two rows that are equal in everything.
            for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
                paid += gross - fee
                rows.append(
                    writers.adyen_row(
                        number, str(118 + batch), minor=gross, fee_minor=fee, currency=code, kind=kind
                    )
                )
                figures.append((code, gross, code, fee, code, gross - fee))
            number += 1
        rows.append(writers.adyen_payout(number, str(118 + batch), paid, currency=code))
        figures.append((code, -paid, code, 0, code, -paid))
    return GeneratedFile(writers.csv_bytes(rows), figures)


BANK_TEXTS = st.sampled_from(["", "PAYOUT po_1", "Müller", "a + b"])
REFERENCES = st.sampled_from(["", "", "R1", "R2", "REF 3"])


@st.composite
def bank_statements(draw):
    """Statements as currency, opening balance and entries of amount, bank's reference and text."""
    statements = []
    for _ in range(draw(st.integers(1, 3))):
        # An entry of nothing could get lost without any balance showing it, so damage is tried on others.
        entries = draw(st.lists(st.tuples(AMOUNTS.filter(bool), REFERENCES, BANK_TEXTS), max_size=5))
        statements.append((draw(CURRENCIES), draw(AMOUNTS), entries))
    return statements


@st.composite
def camt_files(draw):
    written, figures = [], []
    for at, (code, opening, entries) in enumerate(draw(bank_statements())):
        closing = opening + sum(minor for minor, _, _ in entries)
        made = [
            writers.camt_entry(minor, currency=code, reference=ref, text=text) for minor, ref, text in entries
        ]
        written.append(writers.camt_statement(f"S{at}", made, opening, closing, currency=code))
        figures += [(code, minor) for minor, _, _ in entries]
    return GeneratedFile(writers.camt_file(*written), figures)


@st.composite
def mt940_files(draw):
    written, figures = [], []
    for at, (code, opening, entries) in enumerate(draw(bank_statements())):
        closing = opening + sum(minor for minor, _, _ in entries)
        made = [
            writers.mt940_entry(minor, currency=code, reference=ref, text=text)
            for minor, ref, text in entries
        ]
        written.append(writers.mt940_statement(at, made, opening, closing, currency=code))
        figures += [(code, minor) for minor, _, _ in entries]
    return GeneratedFile("".join(written).encode(), figures)


@st.composite
def bai2_files(draw):
    groups, figures = [], []
    for code, opening, entries in draw(bank_statements()):
        closing = opening + sum(minor for minor, _, _ in entries)
        made = [
            writers.bai2_entry(minor, reference=reference, text=text) for minor, reference, text in entries
        ]
        groups.append(writers.bai2_group([writers.bai2_account(made, opening, closing, currency=code)]))
        figures += [(code, minor) for minor, _, _ in entries]
    return GeneratedFile(writers.bai2_file(groups).encode(), figures)


FILES = {
    "tieout_csv": balance_rows(writers.tieout_row, writers.tieout_payout, str.upper),
    "stripe_payout_csv": balance_rows(writers.stripe_row, writers.stripe_payout, str.lower),
    "adyen_settlement_csv": adyen_files(),
    "camt053": camt_files(),
    "mt940": mt940_files(),
    "bai2": bai2_files(),
}
