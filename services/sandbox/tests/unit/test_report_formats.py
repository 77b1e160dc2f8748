"""Exact bytes of each bank format, for one day with a credit, what sends it back, and a credit of two payouts."""

import re
from datetime import date
from itertools import pairwise

from services.sandbox.app.report_formats import BANK_FORMATS
from services.sandbox.app.report_formats.writers import Statement
from services.sandbox.domain.bank import Fate, Transfer, account_number, entries_of

DAY = date(2026, 11, 27)


def transfer(number, amount_minor):
    return Transfer(
        processor="alpha",
        payout_id=f"po_{number}",
        currency="EUR",
        amount_minor=amount_minor,
        trace=f"ALPHA{number:08d}EUR",
        due_on=DAY,
    )


def written(form):
    first, back, _ = entries_of(transfer(1, 9_825), Fate.RETURNED, [])
    (both,) = entries_of(transfer(3, 300), Fate.ARRIVES, [transfer(2, -50)])
    statement = Statement(
        account=account_number("EUR"), currency="EUR", day=DAY, opening_minor=-5, closing_minor=245
    )
    writer = BANK_FORMATS[form]()
    pieces = [writer.head(statement), writer.opening(statement)]
    pieces += [writer.entry(statement, entry) for entry in (first, back, both)]
    return b"".join([*pieces, writer.closing(statement), writer.end()]).decode()


def test_mt940():
    assert written("mt940") == (
        ":20:STMEUR20261127\r\n"
        ":25:DE62500105170000143027\r\n"
        ":28C:00331/001\r\n"
        ":60F:D261127EUR0,05\r\n"
        ":61:2611271127C98,25NTRFALPHA00000001EUR//B2749163456\r\n"
        ":86:ALPHA PAYOUT ALPHA00000001EUR\r\n"
        ":61:2611301130RC98,25NTRFALPHA00000001EUR//B0062090212\r\n"
        ":86:ALPHA RETURN OF PAYOUT ALPHA00000001EUR\r\n"
        ":61:2611271127C2,50NTRFSUMHA00000003EUR//B2511561812\r\n"
        ":86:ALPHA PAYOUTS ALPHA00000002EUR ALPHA00000003EUR\r\n"
        ":62F:C261127EUR2,45\r\n"
        "-\r\n"
    )


def test_mt940_goes_on_in_further_messages_of_at_most_2000_characters():
    entries = [
        entry for number in range(1, 61) for entry in entries_of(transfer(number, number), Fate.ARRIVES, [])
    ]
    statement = Statement(
        account=account_number("EUR"), currency="EUR", day=DAY, opening_minor=-5, closing_minor=1_825
    )
    writer = BANK_FORMATS["mt940"]()
    pieces = [writer.opening(statement), *(writer.entry(statement, entry) for entry in entries)]
    messages = b"".join([*pieces, writer.closing(statement)]).decode().split("-\r\n")[:-1]
    assert len(messages) > 2
    assert all(len(message) + len("-\r\n") <= 2_000 for message in messages)
    assert sum(message.count(":61:") for message in messages) == 60
    balances = [re.findall(r":(6[02][FM]):(.+)\r", message) for message in messages]
    assert balances[0][0] == ("60F", "D261127EUR0,05")
    assert balances[-1][1] == ("62F", "C261127EUR18,25")
    for (_, ends), (begins, _) in pairwise(balances):
        assert (ends[0], begins[0]) == ("62M", "60M")
        assert ends[1] == begins[1]
    assert [re.findall(r":28C:(.+)\r", message) for message in messages] == [
        [f"00331/{number:03d}"] for number in range(1, len(messages) + 1)
    ]


def test_bai2_counts_and_totals_what_stands_before_each_trailer():
    assert written("bai2") == (
        "01,TIEOUTBANK,TIEOUT,261127,2359,1,,,2/\n"
        "02,TIEOUT,TIEOUTBANK,1,261127,2359,EUR,2/\n"
        "03,DE62500105170000143027,EUR,010,-5,,,015,245,,/\n"
        "16,165,9825,V,261127,,B2749163456,ALPHA00000001EUR,ALPHA PAYOUT ALPHA00000001EUR\n"
        "16,557,9825,V,261130,,B0062090212,ALPHA00000001EUR,ALPHA RETURN OF PAYOUT ALPHA00000001EUR\n"
        "16,165,250,V,261127,,B2511561812,SUMHA00000003EUR,ALPHA PAYOUTS ALPHA00000002EUR ALPHA00000003EUR\n"
        "49,20140,5/\n"
        "98,20140,1,7/\n"
        "99,20140,1,9/\n"
    )


def test_camt053_tells_each_payout_of_an_entry_apart():
    text = written("camt053")
    assert '<Amt Ccy="EUR">0.05</Amt><CdtDbtInd>DBIT</CdtDbtInd>' in text
    assert "<RvslInd>true</RvslInd>" in text
    batch = text[text.index("<Btch>") :]
    assert "<NbOfTxs>2</NbOfTxs>" in batch
    assert batch.index("ALPHA00000002EUR") < batch.index(">0.50</Amt><CdtDbtInd>DBIT<")
    assert batch.index("ALPHA00000003EUR") < batch.index(">3.00</Amt><CdtDbtInd>CRDT<")
