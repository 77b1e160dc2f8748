"""Proofs of single journals: made from real books, checked without any, refused when a byte of them is another."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import shlex
from pathlib import Path

import psycopg
import pytest
import rfc8785
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from typer.testing import CliRunner

from services.ledger.adapters.head_keys import HeadSigner, HeadVerifier
from services.ledger.adapters.heads import stored_heads
from services.ledger.adapters.proof_files import read_proof, written_proof
from services.ledger.adapters.sealed_books import sealed_books
from services.ledger.adapters.sealing import Sealer
from services.ledger.app.prove_journal import checked_proof, prove_journal
from services.ledger.domain.proofs import ProofRefused
from services.ledger.entrypoints.cli import cli
from services.ledger.tests.payloads import Payment
from shared.kernel.errors import Rejected
from shared.runtime.operator_tokens import new_key_pair

PRIVATE, PUBLIC = new_key_pair()
PAGE = Path(__file__).resolve().parents[4] / "docs" / "auditing-the-books.md"


@pytest.fixture
def books(ledger):
    """Seven journals; heads are signed at 3 and 6."""
    signer = HeadSigner(PRIVATE)
    for number in range(1, 8):
        ledger.tell(Payment(number).captured(10_000 + number, 300))
        Sealer(ledger.transactions, signer if number % 3 == 0 else None).turn()
    return ledger


def journal_ids(ledger):
    return [row[0] for row in ledger.rows("SELECT journal_id FROM journals ORDER BY position")]


def proved(ledger, journal_id, kept=()):
    with sealed_books(ledger.engine) as sealed:
        return written_proof(prove_journal(journal_id, sealed, kept))


def kept_heads(ledger):
    with ledger.engine.connect() as connection:
        return stored_heads(connection, 0)


def check(written, public=PUBLIC, kept=None):
    return checked_proof(read_proof(written), HeadVerifier([public]), kept)


def as_an_outsider(written, public_pem):
    """What the page for auditors says, with nothing of ours: true if the proof holds."""

    def netstring(value):
        return "-," if value is None else f"{len(value.encode())}:{value},"

    columns = [
        "position",
        "journal_id",
        "rule",
        "cause_event_id",
        "cause_event_type",
        "fact_key",
        "subject",
        "payment_id",
        "merchant_id",
        "currency",
        "amount_minor",
        "from_party",
        "to_party",
        "reverses_position",
        "entry_count",
        "effective_at_us",
        "booked_at_us",
    ]
    entry_columns = ["line", "account_id", "side", "amount_minor", "currency", "clearing_key"]
    account_columns = [
        "account_id",
        "family",
        "owner",
        "currency",
        "normal_side",
        "transitional",
        "opened_at_us",
    ]
    proof = json.loads(written)
    text = netstring("tieout-journal-1") + "".join(netstring(proof["journal"][name]) for name in columns)
    text += netstring(str(len(proof["entries"])))
    for entry in proof["entries"]:
        text += "".join(netstring(entry[name]) for name in entry_columns)
        account = entry["account"]
        text += "-," if account is None else "".join(netstring(account[name]) for name in account_columns)
    seal, head = proof["seal"], dict(proof["head"])
    position, reached = seal["position"], bytes.fromhex(seal["before"])
    digest = hashlib.sha256(text.encode()).hexdigest()
    for journal_position, sealed_at_us, linked in [
        (seal["journal_position"], seal["sealed_at_us"], digest), *proof["links"]
    ]:  # fmt: skip
        numbers = [position, journal_position, sealed_at_us]
        fixed = seal["shard"].to_bytes(2, "big") + b"".join(number.to_bytes(8, "big") for number in numbers)
        reached = hashlib.sha256(b"tieout-seal-1" + fixed + reached + bytes.fromhex(linked)).digest()
        position += 1
    signature = bytes.fromhex(head.pop("signature"))
    load_pem_public_key(public_pem.encode()).verify(signature, b"tieout-head-1\n" + rfc8785.dumps(head))
    return (head["position"], head["hash"]) == (position - 1, reached.hex())


def test_every_journal_before_a_head_is_proven_and_outsiders_agree(books):
    kept = kept_heads(books)
    for number, journal_id in enumerate(journal_ids(books)[:6], 1):
        written = proved(books, journal_id)
        proven = check(written, kept=kept)
        assert (proven.position, proven.journal["journal_id"]) == (number, journal_id)
        assert proven.head.position == (3 if number <= 3 else 6)
        assert as_an_outsider(written, PUBLIC)
        assert proved(books, journal_id, kept[1:]) == written or number <= 3
        assert check(proved(books, journal_id, kept[1:])).head == kept[1]


@pytest.mark.parametrize("number", [1, 3, 5])
def test_any_changed_byte_is_refused(books, number):
    written = proved(books, journal_ids(books)[number - 1])
    kept = kept_heads(books)
    for at, mask in itertools.product(
        range(len(written)), (1, 0x20, 0x80)
    ):  # another digit, case, no text at all
        other = written[:at] + bytes([written[at] ^ mask]) + written[at + 1 :]
        with pytest.raises(ProofRefused):
            check(other, kept=kept)
    for other in (written[:-1], written + b"\n", b" " + written, b"", written.replace(b",", b", ", 1)):
        with pytest.raises(ProofRefused):
            check(other)


def changed(document, path, value):
    made = json.loads(json.dumps(document))
    *way, last = path
    found = made
    for step in way:
        found = found[step]
    found[last] = value
    return written_proof(made)


FORGERIES = [
    (("journal", "amount_minor"), "1"),
    (("journal", "amount_minor"), 10_001),
    (("journal", "from_party"), None),
    (("entries", 0, "account", "owner"), "mer_thief"),
    (("entries", 0, "account"), None),
    (("entries",), []),
    (("seal", "position"), 2),
    (("seal", "before"), "11" * 32),
    (("seal", "shard"), 1),
    (("seal", "journal_position"), 2),
    (("seal", "position"), True),
    (("seal", "position"), -1),
    (("links",), []),
    (("links", 0, 2), "AB" * 32),
    (("links", 0), [1, 2]),
    (("head", "position"), 2),
    (("head", "hash"), "00" * 32),
    (("head", "signed_at"), "2026-11-27T00:00:00Z"),
    (("head", "more"), 1),
    (("head", "signature"), "00" * 64),
    (("head",), None),
    (("format",), "tieout-proof-2"),
    (("more",), 1),
]


@pytest.mark.parametrize(("path", "value"), FORGERIES, ids=[f"{path}={value}" for path, value in FORGERIES])
def test_a_forged_value_is_refused(books, path, value):
    document = json.loads(proved(books, journal_ids(books)[0]))
    with pytest.raises(ProofRefused):
        check(changed(document, path, value))


def test_an_upper_case_signature_is_another_byte(books):
    document = json.loads(proved(books, journal_ids(books)[0]))
    upper = document["head"]["signature"].upper()
    with pytest.raises(ProofRefused, match="lower case"):
        check(changed(document, ("head", "signature"), upper))


def test_a_head_of_another_key_or_not_kept_proves_nothing(books):
    written = proved(books, journal_ids(books)[0])
    with pytest.raises(ProofRefused, match="no trusted key"):
        check(written, public=new_key_pair()[1])
    with pytest.raises(ProofRefused, match="none of the kept"):
        check(written, kept=kept_heads(books)[1:])


@pytest.mark.parametrize("written", [b"x", b"[]\n", b"{}\n", b"null\n", b"\xff", b"[" * 100_000, b'{"a":NaN}\n', b'{"a":1e999}\n'])  # fmt: skip
def test_what_is_no_proof_at_all_is_refused(written):
    with pytest.raises(ProofRefused):
        check(written)


def test_what_is_not_there_not_sealed_or_not_signed_is_said(books):
    with pytest.raises(Rejected, match="no journal jrn_none"):
        proved(books, "jrn_none")
    with pytest.raises(Rejected, match="No head is signed behind its place, 7"):
        proved(books, journal_ids(books)[6])
    books.tell(Payment(8).captured(5))
    with pytest.raises(Rejected, match="no place in the chain yet"):
        proved(books, journal_ids(books)[7])


def test_books_that_were_changed_give_no_proof(books, ledger_urls, postgres_admin_url):
    url = postgres_admin_url.rpartition("/")[0] + "/" + ledger_urls.app.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as superuser:
        superuser.execute("ALTER TABLE journals DISABLE TRIGGER ALL")
        superuser.execute("UPDATE journals SET amount_minor = 1 WHERE position = 2")
    with pytest.raises(Rejected, match="not what was sealed"):
        proved(books, journal_ids(books)[1])
    assert check(proved(books, journal_ids(books)[0]))


def test_a_head_is_signed_after_so_many_seals_whatever_the_time(ledger):
    """The links of a proof are as many as the seals between two heads."""
    signer = HeadSigner(PRIVATE)
    ledger.tell(Payment(1).captured(5))
    Sealer(ledger.transactions, signer, head_interval_s=3_600, head_every_seals=3).turn()
    for number in range(2, 8):
        ledger.tell(Payment(number).captured(5))
        Sealer(ledger.transactions, signer, head_interval_s=3_600, head_every_seals=3).turn()
    assert [head.position for head in kept_heads(ledger)] == [1, 4, 7]


def page_commands():
    block = re.search(r"## Proving one journal.*?```\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    return [re.split(r"\s{3,}", line)[0] for line in block.splitlines() if line.startswith("ledger ")]


def test_the_commands_of_the_page_work_and_checking_needs_no_database(
    books, ledger_urls, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("seals.pem").write_text(PUBLIC)
    Path("kept.jsonl").write_text("".join(json.dumps(head.fields()) + "\n" for head in kept_heads(books)))
    journal_id = journal_ids(books)[3]
    said = []
    for command in page_commands():
        words, _, target = command.replace("jrn_…", journal_id).partition(" > ")
        with monkeypatch.context() as surroundings:
            if " prove " in words:
                surroundings.setenv("LEDGER_DATABASE_URL", ledger_urls.app)
            done = CliRunner().invoke(cli, shlex.split(words)[1:])
        assert done.exit_code == 0, (command, done.output)
        if target:
            Path(target).write_text(done.stdout)
        said.append(done.stdout)
    assert f"Journal {journal_id} (capture, 10004 EUR in minor units) stands at 4 of the chain" in said[-1]
    Path("proof.json").write_bytes(Path("proof.json").read_bytes().replace(b"10004", b"99999"))
    refused = CliRunner().invoke(cli, ["check-proof", "proof.json", "--public-key", "seals.pem"])
    assert (refused.exit_code, "It proves nothing" in refused.output) == (1, True), refused.output


@pytest.mark.parametrize(
    ("name", "holds", "says"),
    [
        ("seals.pem", b"no key", "seals.pem: expected the PEM of an Ed25519 public key"),
        ("seals.pem", b"\xff", "seals.pem: expected the PEM of an Ed25519 public key"),
        ("kept.jsonl", b"\n", "kept.jsonl holds no head"),
        ("kept.jsonl", b"\xff", "kept.jsonl: expected UTF-8 text"),
    ],
)
def test_a_file_of_keys_or_heads_that_is_none_is_no_forged_proof(tmp_path, monkeypatch, name, holds, says):
    """It is a mistake of whoever asks: the usage error (2), never the exit code of a proof that does not hold (1)."""
    monkeypatch.chdir(tmp_path)
    Path("proof.json").write_bytes(b"{}\n")
    Path("seals.pem").write_text(PUBLIC)
    Path(name).write_bytes(holds)
    heads = ["--heads", name] if name == "kept.jsonl" else []
    words = ["check-proof", "proof.json", "--public-key", "seals.pem", *heads]
    done = CliRunner().invoke(cli, words, env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert (done.exit_code, says in re.sub(r"[│\s]+", " ", done.output)) == (2, True), done.output


def test_a_proof_that_nobody_could_read_again_is_not_begun(books, monkeypatch):
    monkeypatch.setattr("services.ledger.app.prove_journal.LINKS_MAX", 0)
    assert proved(books, journal_ids(books)[-2]), "a head stands at its own place"
    with pytest.raises(Rejected, match="LEDGER_SEAL_HEAD_EVERY_SEALS"):
        proved(books, journal_ids(books)[0])
