"""Request bodies: what is read, what is refused, and what makes two requests the same."""

import pytest

from services.sandbox.app import parsing
from shared.kernel.errors import Rejected

GOOD = {"amount": 5, "currency": "eur", "payment_method": "pm_card_visa", "reference": "op_1"}


@pytest.mark.parametrize("amount", [0, -1, 1.5, "5", True, 2**53 + 1])
def test_an_amount_is_a_positive_integer(amount):
    with pytest.raises(Rejected, match="amount_invalid"):
        parsing.order(GOOD | {"amount": amount}, "acct")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": None}, "field_missing"),
        ({"currency": "XYZ"}, "currency_unknown"),
        ({"currency": 978}, "field_invalid"),
        ({"reference": ""}, "field_invalid"),
        ({"reference": "x" * 256}, "field_invalid"),
        ({"reference": "a\0b"}, "field_invalid"),
        ({"capture": "yes"}, "field_invalid"),
        ({"metadata": {"payment": 1}}, "field_invalid"),
        ({"metadata": ["payment"]}, "field_invalid"),
        ({"metadata": {str(n): "x" for n in range(21)}}, "field_invalid"),
    ],
)
def test_malformed_orders_are_refused_and_leave_the_key_free(changes, code):
    with pytest.raises(Rejected) as refused:
        parsing.order(GOOD | changes, "acct")
    assert (refused.value.code, refused.value.status, refused.value.stored) == (code, 400, False)


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"x"', b"\xff", b'{"amount": NaN}', b'{"surprise": 1}'])
def test_bodies_that_are_no_known_object_are_refused(raw):
    with pytest.raises(Rejected) as refused:
        parsing.read_body(raw, frozenset({"amount"}))
    assert refused.value.status == 400


def test_the_fingerprint_ignores_spelling_and_minds_path_and_values():
    fields = frozenset({"a", "b"})
    one = parsing.read_body(b'{"a": 1, "b": 2}', fields)
    other = parsing.read_body(b'{"b":2,"a":1}', fields)
    assert parsing.fingerprint("/x", one) == parsing.fingerprint("/x", other)
    assert parsing.fingerprint("/x", one) != parsing.fingerprint("/y", one)
    assert parsing.fingerprint("/x", one) != parsing.fingerprint("/x", {"a": 1, "b": 3})
