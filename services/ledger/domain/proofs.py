"""The proof of one journal: that it stands at its position of the chain that a signed head speaks of.

It is the journal itself, the hash before its seal, and a link for each seal from there to the head. Whoever has the
head and the public key needs nothing else: no database, and no other journal, of which a link says the digest alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.ledger.domain.canonical import (
    RecordedAccount,
    RecordedEntry,
    RecordedJournal,
    canonical_text,
    encode_rows,
)
from services.ledger.domain.heads import Head, HeadUnreadable
from services.ledger.domain.seals import Recorded, Seal, chain_hash

FORMAT: Final = "tieout-proof-1"
_FIELDS: Final = ("format", "journal", "entries", "seal", "links", "head")
_SEAL_FIELDS: Final = ("shard", "position", "journal_position", "sealed_at_us", "before")
_ACCOUNT: Final = "account"
_HASH: Final = re.compile("[0-9a-f]{64}")
_SIGNATURE: Final = re.compile("[0-9a-f]{128}")
_LINK_VALUES: Final = 3
_INT64: Final = range(-(2**63), 2**63)
_INT16: Final = range(2**15)


class ProofRefused(ValueError):  # noqa: N818  # what it is
    """The document proves nothing; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a proof that holds says, once the head is known to be genuine."""

    journal: Mapping[str, str | None]
    shard: int
    position: int
    head: Head


def proof_of(
    recorded: Recorded, seal: Seal, before: bytes, links: Sequence[Seal], head: Head
) -> dict[str, Any]:
    """The document: a journal with its seal, the hash before it, and the seals from there up to the head."""
    return {
        "format": FORMAT,
        "journal": _texts(recorded.journal),
        "entries": [
            {
                **_texts(entry),
                _ACCOUNT: None
                if (account := recorded.accounts.get(entry.account_id)) is None
                else _texts(account),
            }
            for entry in recorded.entries
        ],
        "seal": {
            "shard": seal.shard,
            "position": seal.position,
            "journal_position": seal.journal_position,
            "sealed_at_us": seal.sealed_at_us,
            "before": before.hex(),
        },
        "links": [[link.journal_position, link.sealed_at_us, link.digest.hex()] for link in links],
        "head": head.fields(),
    }


def check_proof(document: object) -> Proven:
    """Follow the chain from the journal to the head. Raises ``ProofRefused`` where a value leads elsewhere.

    The signature of the head is not looked at here: without it a proof is an assertion.
    """
    proof = _object(document, _FIELDS, "the proof")
    if proof["format"] != FORMAT:
        raise ProofRefused(f"format: expected {FORMAT}")
    journal = _row(proof["journal"], RecordedJournal._fields, "journal")
    entries = [_entry(found, number) for number, found in enumerate(_list(proof["entries"], "entries"), 1)]
    seal = _object(proof["seal"], _SEAL_FIELDS, "seal")
    head = _head(proof["head"])
    shard, position = _integer(seal["shard"], _INT16, "shard"), _integer(seal["position"], _INT64, "position")
    if journal["position"] != str(_integer(seal["journal_position"], _INT64, "journal_position")):
        raise ProofRefused("the seal is of another journal")
    reached = _hash(seal["before"], "before")
    digest = hashlib.sha256(encode_rows(tuple(journal.values()), entries)).digest()
    steps = [(seal["journal_position"], _integer(seal["sealed_at_us"], _INT64, "sealed_at_us"), digest)]
    steps += [_link(found) for found in _list(proof["links"], "links")]
    for number, (journal_position, sealed_at_us, linked) in enumerate(steps):
        reached = chain_hash(
            shard=shard,
            position=position + number,
            journal_position=journal_position,
            sealed_at_us=sealed_at_us,
            before=reached,
            digest=linked,
        )
    if (head.shard, head.position) != (shard, position + len(steps) - 1):
        raise ProofRefused(f"the links end at {position + len(steps) - 1}, the head is at {head.position}")
    if head.hash != reached.hex():
        raise ProofRefused("the links do not lead to the hash of the head: something here was changed")
    return Proven(journal=journal, shard=shard, position=position, head=head)


def _texts(row: RecordedJournal | RecordedEntry | RecordedAccount) -> dict[str, str | None]:
    """The values as they are encoded: an integer is its decimal text, so that no reader rounds one."""
    return {name: canonical_text(value) for name, value in zip(row._fields, row, strict=True)}


def _entry(found: object, number: int) -> tuple[tuple[str | None, ...], tuple[str | None, ...] | None]:
    what = f"entry {number}"
    fields = _object(found, (*RecordedEntry._fields, _ACCOUNT), what)
    account = fields[_ACCOUNT]
    values = _row({name: fields[name] for name in RecordedEntry._fields}, RecordedEntry._fields, what)
    if account is None:
        return tuple(values.values()), None
    return tuple(values.values()), tuple(_row(account, RecordedAccount._fields, f"{what}, account").values())


def _link(found: object) -> tuple[int, int, bytes]:
    values = _list(found, "a link")
    if len(values) != _LINK_VALUES:
        raise ProofRefused("a link: expected journal position, time and digest")
    return (
        _integer(values[0], _INT64, "a link"),
        _integer(values[1], _INT64, "a link"),
        _hash(values[2], "a link"),
    )


def _head(found: object) -> Head:
    if not isinstance(found, dict):
        raise ProofRefused("head: expected an object")
    try:
        head = Head.read(found)
    except HeadUnreadable as error:
        raise ProofRefused(str(error)) from None
    if found != head.fields():
        raise ProofRefused("head: has other fields than a head")
    if (
        _SIGNATURE.fullmatch(head.signature) is None
    ):  # the one text in a proof that nothing is hashed or signed over
        raise ProofRefused("signature: expected 128 hex digits in lower case")
    return head


def _object(found: object, fields: Sequence[str], what: str) -> dict[str, Any]:
    if not isinstance(found, dict) or found.keys() != set(fields):
        raise ProofRefused(f"{what}: expected exactly {', '.join(fields)}")
    return found


def _row(found: object, fields: Sequence[str], what: str) -> dict[str, str | None]:
    """The values in the order in which they are encoded, whatever order they came in."""
    row = _object(found, fields, what)
    if not all(value is None or isinstance(value, str) for value in row.values()):
        raise ProofRefused(f"{what}: expected texts and nulls")
    return {name: row[name] for name in fields}


def _list(found: object, what: str) -> list[Any]:
    if not isinstance(found, list):
        raise ProofRefused(f"{what}: expected a list")
    return found


def _integer(found: object, within: range, what: str) -> int:
    if type(found) is not int or found not in within:
        raise ProofRefused(f"{what}: expected an integer")
    return found


def _hash(found: object, what: str) -> bytes:
    if not isinstance(found, str) or _HASH.fullmatch(found) is None:
        raise ProofRefused(f"{what}: expected 64 hex digits")
    return bytes.fromhex(found)
