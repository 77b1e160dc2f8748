"""Two ways to write one account, and two accounts that only look alike."""

from __future__ import annotations

import pytest

from services.reconciliation.domain.bank_accounts import same_account

pytestmark = pytest.mark.unit
IBAN = "DE89 3704 0044 0532 0130 00"


@pytest.mark.parametrize(
    ("declared", "stated"),
    [
        (IBAN, "DE89370400440532013000"),
        (IBAN, "de89 3704 0044 0532 0130 00"),
        (IBAN, "DE89370400440532013000EUR"),
        (IBAN, "37040044/0532013000"),
        (IBAN, "37040044/532013000"),
        (IBAN, "370400440532013000EUR"),
        ("37040044/532013000", "DE89370400440532013000,"[:-1][4:]),
        ("0001234567", "1234567"),
        ("12-3456-789", "123456789"),
        ("BANKUS33/12, DE89370400440532013000", "DE89370400440532013000"),
    ],
)
def test_one_account_however_it_is_written(declared, stated):
    assert same_account(declared, stated, "EUR")


@pytest.mark.parametrize(
    ("declared", "stated"),
    [
        (IBAN, "DE02120300000000202051"),
        (IBAN, "FR89370400440532013000"),
        (IBAN, "532013000"),
        (IBAN, "0532013000"),
        (IBAN, "10000000/532013000"),
        (IBAN, "DE89370400440532013000USD"),
        (IBAN, ""),
        ("0001234567", "12345670"),
        ("0000", "000"),
        (" , ", "0001234567"),
    ],
)
def test_what_only_looks_like_it_is_another(declared, stated):
    assert not same_account(declared, stated, "EUR")
