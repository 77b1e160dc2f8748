"""The encoding that seals are made from: written down once in full, and without two meanings."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.canonical import (
    RecordedAccount,
    RecordedEntry,
    RecordedJournal,
    encode_journal,
)
from services.ledger.domain.seals import GENESIS, Recorded, chain_hash, seal_all

JOURNAL = RecordedJournal(
    7, "jrn_1", "capture", "evt_1", "PaymentCaptured.v1", "fact:1", "op_1", "pay_1", None, "EUR", 100, "Zoë", "m",
    None, 2, 1_700_000_000_000_001, 1_700_000_000_250_000,
)  # fmt: skip
ENTRIES = [RecordedEntry(1, 3, "debit", 100, "EUR", "k"), RecordedEntry(2, 4, "credit", 100, "EUR", None)]
ACCOUNTS = {
    3: RecordedAccount(3, "processor_receivable", "alpha", "EUR", "debit", True, 5),
    4: RecordedAccount(4, "merchant_pending", "mer_1", "EUR", "credit", False, 6),
}
BYTES = (
    "16:tieout-journal-1,1:7,5:jrn_1,7:capture,5:evt_1,18:PaymentCaptured.v1,6:fact:1,4:op_1,5:pay_1,-,3:EUR,3:100,"
    "4:Zoë,1:m,-,1:2,16:1700000000000001,16:1700000000250000,1:2,"
    "1:1,1:3,5:debit,3:100,3:EUR,1:k,1:3,20:processor_receivable,5:alpha,3:EUR,5:debit,4:true,1:5,"
    "1:2,1:4,6:credit,3:100,3:EUR,-,1:4,16:merchant_pending,5:mer_1,3:EUR,6:credit,5:false,1:6,"
).encode()


def test_the_encoding_is_what_the_page_for_auditors_says():
    assert encode_journal(JOURNAL, ENTRIES, ACCOUNTS) == BYTES


def test_a_seal_is_the_hash_of_all_that_is_before_it():
    recorded = Recorded(JOURNAL, ENTRIES, ACCOUNTS)
    one, two = seal_all(None, [recorded, recorded], 9)
    digest = hashlib.sha256(BYTES).digest()
    fixed = (0).to_bytes(2, "big") + b"".join(n.to_bytes(8, "big") for n in (1, 7, 9))
    assert one.hash == hashlib.sha256(b"tieout-seal-1" + fixed + GENESIS + digest).digest()
    assert two.hash == chain_hash(
        shard=0, position=2, journal_position=7, sealed_at_us=9, before=one.hash, digest=digest
    )
    assert seal_all(one, [recorded], 9) == [two]


VALUES = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6))


@given(
    st.tuples(*[VALUES] * 4),
    st.tuples(*[VALUES] * 4),
)
def test_different_texts_never_have_the_same_bytes(one, other):
    def bytes_of(texts):
        fields = dict(zip(("payment_id", "merchant_id", "from_party", "to_party"), texts, strict=True))
        return encode_journal(JOURNAL._replace(**fields), ENTRIES, ACCOUNTS)

    assert (bytes_of(one) == bytes_of(other)) == (one == other)


def test_a_value_that_looks_like_several_stays_one():
    one = JOURNAL._replace(from_party="a,1:b", to_party="c")
    other = JOURNAL._replace(from_party="a", to_party="b,1:c")
    assert encode_journal(one, [], {}) != encode_journal(other, [], {})
    assert encode_journal(JOURNAL._replace(payment_id=None), [], {}) != encode_journal(
        JOURNAL._replace(payment_id=""), [], {}
    )
