"""Lines of import files for tests: good ones, and the ways in which a line can be bad."""

from __future__ import annotations

import copy
import json
from pathlib import Path

MERCHANTS = [f"mer_{number:026}" for number in range(1, 4)]


def entry(family, side, amount_minor, *, owner="platform", currency="EUR", scale=2, key=None):
    made = {
        "family": family,
        "owner": owner,
        "currency": currency,
        "scale": scale,
        "side": side,
        "amount_minor": amount_minor,
    }
    return made if key is None else {**made, "clearing_key": key}


def line(
    number=1, *, entries=None, source="old", at="2025-03-01T10:00:00Z", merchant=MERCHANTS[0], amount=1_000
):
    return {
        "version": 1,
        "source": source,
        "id": f"tx-{number}",
        "effective_at": at,
        "entries": entries
        or [
            entry("bank_cash", "debit", amount, owner="iban-1"),
            entry("merchant_available", "credit", amount, owner=merchant),
        ],
    }


def changed(path, value):
    """A line in which one field says something else; ``path`` is its dotted name, None takes it out."""

    def change(said):
        made = copy.deepcopy(said)
        inner = made
        *way, last = path.split(".")
        for name in way:
            inner = inner[int(name)] if name.isdigit() else inner[name]
        if value is None:
            del inner[last]
        else:
            inner[last] = value
        return made

    return change


#: By code: the field that is named, and how a good line of two entries becomes bad.
BAD = {
    "unknown_version": ("version", changed("version", 2)),
    "missing_field": ("id", changed("id", None)),
    "unknown_field": ("colour", changed("colour", "red")),
    "wrong_type": ("entries[1].amount_minor", changed("entries.1.amount_minor", 10.5)),
    "invalid_source": ("source", changed("source", "Old:Ledger")),
    "invalid_id": ("id", changed("id", "")),
    "invalid_time": ("effective_at", changed("effective_at", "1969-12-31T23:59:59Z")),
    "wrong_entry_count": ("entries", changed("entries", [])),
    "unknown_family": ("entries[0].family", changed("entries.0.family", "petty_cash")),
    "invalid_owner": ("entries[1].owner", changed("entries.1.owner", "somebody")),
    "unknown_currency": ("entries[0].currency", changed("entries.0.currency", "EUX")),
    "scale_mismatch": ("entries[0].scale", changed("entries.0.scale", 3)),
    "invalid_side": ("entries[0].side", changed("entries.0.side", "left")),
    "amount_not_positive": ("entries[0].amount_minor", changed("entries.0.amount_minor", 0)),
    "amount_too_large": ("entries[0].amount_minor", changed("entries.0.amount_minor", 2**53)),
    "clearing_key_missing": ("entries[0].clearing_key", changed("entries.0.family", "suspense")),
    "clearing_key_unexpected": ("entries[0].clearing_key", changed("entries.0.clearing_key", "key")),
    "unbalanced": ("entries", changed("entries.0.amount_minor", 1_001)),
    "card_number": ("", changed("id", "4111111111111111")),
}
for _code in ("clearing_key_missing",):
    _field, _change = BAD[_code]
    BAD[_code] = (_field, lambda said, change=_change: changed("entries.0.owner", "platform")(change(said)))


def write(path: Path, said, *, newline=True) -> Path:
    texts = [each if isinstance(each, str) else json.dumps(each) for each in said]
    path.write_text("\n".join(texts) + ("\n" if newline else ""))
    return path
