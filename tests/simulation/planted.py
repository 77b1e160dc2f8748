"""Planted bugs: each protection that a simulation can miss is taken out of a scratch copy, and seeds are run until one
finds it. What no seed finds within the limit is a hole in the simulation.

The patches are those of ``tools.sabotage``, where each has a test of its own besides.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tools.sabotage.case import Case
from tools.sabotage.cases import CASES
from tools.sabotage.cases.adjusting import ADJUSTING
from tools.sabotage.cases.answering import ANSWERING
from tools.sabotage.cases.auditing import AUDITING
from tools.sabotage.cases.by_hand import BY_HAND
from tools.sabotage.cases.deciding import DECIDING
from tools.sabotage.cases.growing import GROWING
from tools.sabotage.cases.importing import IMPORTING
from tools.sabotage.cases.noting import NOTING
from tools.sabotage.cases.reading import READING
from tools.sabotage.cases.rebuilding import REBUILDING
from tools.sabotage.cases.rebuilding_months import REBUILDING_MONTHS
from tools.sabotage.cases.settling import SETTLING
from tools.sabotage.cases.terminal import TERMINAL
from tools.sabotage.cases.withdrawn_returns import WITHDRAWN_RETURNS
from tools.sabotage.scratch import REPOSITORY, Scratch, scratch_copy

SEEDS_MAX = 200
DEADLINE_S = 900.0
REACHED = (
    "key-claim",
    "fingerprint",
    "key-lease",
    "webhook-late-2xx",
    "webhook-claim",
    "processor-key",
    "timeout-is-unknown",
    "inbox-check",
    "webhook-tolerance",
    "key-scope",
    "completer",
    "free-code",
    "webhook-raw-bytes",
    "broken-call-is-unknown",
    "500-is-unknown",
    "highest-version-wins",
    "caller-guess",
    "post-without-key",
    "lost-commit-not-believed",
    "stray-policy-in-force",
    "poison-parks-its-key",
    "commit-before-offset",
    "late-in-open-month",
)
"""Cases of the sabotage list that seeds have been seen to find."""
NOT_HUNTED = "| protection | why no seed looks for it |\n|---|---|\n"
"""The head of the page's last table; nothing comes after it."""
_ONE_AT_A_TIME = "two transactions never run at the same instant here"
_SECOND_LINE = "the other line of the same defence, in Python or in SQL, holds alone"
_KAFKA = "librdkafka is not in this world: `make test-kafka`"
_UNCOUNTED = "what comes under a used key is answered here, but not counted"
_PACE = "no seed judges how fast a processor is called"
_NOBODY_ASKS = "nothing in this world asks for what it refuses"
_NO_PROOFS = "nobody proves a journal while a seed runs"
_NO_REPORTS = "no report of a processor is read while a seed runs"
_NOT_BY_HAND = "nobody adjusts the books by hand while a seed runs"
_NO_TERMINAL = "nobody types a command while a seed runs"
_NOT_IMPORTED = "no journals are imported while a seed runs"
_NOT_REBUILT = "no books are lost and rebuilt while a seed runs"
_ONE_PARTITION = "no partition of entries fills while a seed runs"
_NOT_VERIFIED = "nobody verifies a chain while a seed runs; of its own the auditor finds no wrong one"
_NEVER_AWAY = "a server of this world answers, or ends a session with a word"
_NO_STRANGER = "nobody but our own services writes a record while a seed runs"
_UNTOLD = "no seed counts anew what risk counted in its windows"
OUT_OF_REACH = {
    "away-without-a-word": _NEVER_AWAY,
    "role-waits": _NEVER_AWAY,
    "whole-hold": "both processors of every seed capture parts",
    "window-of-a-list": "a seed's processes start with settings that are right",
    "closed-month-in-sql": _SECOND_LINE,
    "close-waits-for-posting": _ONE_AT_A_TIME,
    "posting-reads-after-its-turn": _ONE_AT_A_TIME,
    "close-four-eyes": _SECOND_LINE,
    "close-four-eyes-in-sql": _SECOND_LINE,
    "close-in-order-in-sql": _SECOND_LINE,
    "close-when-over-in-sql": _SECOND_LINE,
    "close-when-sealed": _SECOND_LINE,
    "close-when-sealed-in-sql": _SECOND_LINE,
    "close-seals-the-rest": "no seed judges a refusal that asks to try again",
    "close-waits-for-sealer": _ONE_AT_A_TIME,
    "late-noted-at-booking": _NOBODY_ASKS,
    "adjustment-in-open-month": _NOT_BY_HAND,
    "verify-closed-months": _NOT_VERIFIED,
    "verify-close-hash": _NOT_VERIFIED,
    "verify-kept-closes": _NOT_VERIFIED,
    **{case.name: _NOT_BY_HAND for case in ADJUSTING},
    **{case.name: _NOT_VERIFIED for case in NOTING},
    **{case.name: _NO_TERMINAL for case in TERMINAL},
    **{case.name: _NOT_IMPORTED for case in IMPORTING},
    **{case.name: _NOT_REBUILT for case in (*REBUILDING, *REBUILDING_MONTHS)},
    **{case.name: _ONE_PARTITION for case in GROWING},
    **{case.name: _NO_REPORTS for case in READING},
    **{case.name: _NO_REPORTS for case in SETTLING},
    **{case.name: _NO_REPORTS for case in BY_HAND},
    **{case.name: _NO_REPORTS for case in DECIDING},
    **{case.name: _NO_REPORTS for case in ANSWERING},
    **{case.name: _NO_REPORTS for case in WITHDRAWN_RETURNS},
    **{case.name: _NO_REPORTS for case in AUDITING},
    "moves-its-way": _SECOND_LINE,
    "amount-read-in-bounds": _NO_STRANGER,
    "currency-read-known": _NO_STRANGER,
    "late-journal-sealed": _ONE_AT_A_TIME,
    "one-sealer": _ONE_AT_A_TIME,
    "chain-continued": _SECOND_LINE,
    "dead-key": "no processor forgets a key within the minutes of a seed",
    "readers-use-no-rung": _PACE,
    "feed-turn-given-back": _PACE,
    "refused-cancel-forgotten": "no seed reads what a payment says went wrong",
    "hold-became-money": "no seed judges a case that stays open",
    "risk-late-arrival": _UNTOLD,
    "risk-capture-method": _UNTOLD,
    "group-fault": _ONE_AT_A_TIME,
    "key-in-company": _ONE_AT_A_TIME,
    "decoder-in-turn": _ONE_AT_A_TIME,
    "repeat-tally": _UNCOUNTED,
    "repeat-in-doubt": _UNCOUNTED,
    "json-duplicate-key": _NOBODY_ASKS,
    "lost-worker-is-looked-up": "a second send is harmless under alpha's key, and for beta another line looks first",
    "refund-guard": _ONE_AT_A_TIME,
    "payment-lock": _ONE_AT_A_TIME,
    "transition-table": _SECOND_LINE,
    "transition-trigger": _SECOND_LINE,
    "one-undecided-operation": _SECOND_LINE,
    "one-probe-is-not-enough": _PACE,
    "no-stampede": _PACE,
    "fewer-calls": _PACE,
    "attempts-written": "no row vanishes on its way into a database while a seed runs",
    "delivery-kept": "no row vanishes on its way into a database while a seed runs",
    "dispute-before-return": _SECOND_LINE,
    "closed-case-stays": _SECOND_LINE,
    "doubt-dated-once": "no seed judges how old a doubt looks",
    "doubt-is-no-silence": "no month goes by within the minutes of a seed",
    "abandoned-trigger": _SECOND_LINE,
    "risk-gate": _SECOND_LINE,
    "risk-pinned-version": "an operation is asked about once, under one version of its payment",
    "risk-decided-once": _SECOND_LINE,
    "lock-order": _ONE_AT_A_TIME,
    "held-row-waits": _ONE_AT_A_TIME,
    "held-row-rests": _ONE_AT_A_TIME,
    "gapless-producer": _KAFKA,
    "partitioner": _KAFKA,
    "revoked-partition": _KAFKA,
    "unsent-rows-stay": "nothing is archived within the minutes of a seed",
    "one-archiver": "nothing is archived within the minutes of a seed",
    "payload-hash": _NOBODY_ASKS,
    "balanced-journal": _SECOND_LINE,
    "zero-sum-trigger": _SECOND_LINE,
    "no-later-entries": _SECOND_LINE,
    "once-per-fact": _SECOND_LINE,
    "append-only-trigger": _NOBODY_ASKS,
    "append-only-grant": _NOBODY_ASKS,
    "late-journal-in-balance": "nobody reads a balance while a seed runs",
    "one-folder": _ONE_AT_A_TIME,
    "wrong-snapshot-found": "nobody damages a snapshot while a seed runs",
    "seal-times-in-order": _SECOND_LINE,
    "proof-leads-to-its-head": _NO_PROOFS,
    "proof-head-signed": _NO_PROOFS,
    "amendment-reverses": _NO_REPORTS,
    "amends-what-stands": _NO_REPORTS,
    "rounding-has-bounds": _NO_REPORTS,
    "settlement-taken-back": _NO_REPORTS,
    "sources-take-turns": _NO_REPORTS,
    "reports-whole-corrects": _NO_REPORTS,
    "reports-pieces-stay": _NO_REPORTS,
    "reports-payout-known": _NO_REPORTS,
    "reports-told-stays": _NO_REPORTS,
    "reports-closed-first": _NO_REPORTS,
    "reports-no-guess": _NO_REPORTS,
    "reports-size": _NO_REPORTS,
    "reports-complete": _NO_REPORTS,
    "recon-line-claimed-once": _NO_REPORTS,
    "recon-item-claimed-once": _NO_REPORTS,
    "recon-claims-of-two": _NO_REPORTS,
    "recon-weaker-released": _NO_REPORTS,
    "recon-stronger-word": _NO_REPORTS,
    "recon-match-told-once": _NO_REPORTS,
    "recon-match-taken-back": _NO_REPORTS,
    "recon-taken-back-after-a-run": _NO_REPORTS,
    "payment-match-taken-back": _NO_REPORTS,
    "recon-credit-told-once": _NO_REPORTS,
    "payment-report-of-doubt": _NO_REPORTS,
    "payment-report-of-all": _NO_REPORTS,
    "payment-report-parent": _NO_REPORTS,
    "payment-report-money-moved": _NO_REPORTS,
    "payment-report-waited": _NO_REPORTS,
    "recon-return-as-proposed": _NO_REPORTS,
    "recon-break-names-payment": _NO_REPORTS,
    "recon-renamed-line": _NO_REPORTS,
    "recon-evidence-once": _NO_REPORTS,
    "recon-evidence-waits": _NO_REPORTS,
    "recon-evidence-no-guess": _NO_REPORTS,
    "payment-report-follows": _NO_REPORTS,
    "payment-report-says-less": _NO_REPORTS,
    "recon-return-two-people": _NO_REPORTS,
    "recon-return-as-it-stands": _NO_REPORTS,
    "payment-return-as-approved": _NO_REPORTS,
    "payment-return-two-people": _NO_REPORTS,
    "recon-adjust-as-proposed": _NO_REPORTS,
    "recon-adjust-within-risk": _NO_REPORTS,
    "ledger-asked-two-people": _NO_REPORTS,
    "recon-two-people": _NO_REPORTS,
    "bulk-as-seen": _NO_REPORTS,
    "bulk-assign-as-seen": _NO_REPORTS,
    "assign-keeps-proposal": _NO_REPORTS,
    "break-queue-whole": _NO_REPORTS,
    "terms-never-before": _NO_REPORTS,
    "terms-decided-once": _NO_REPORTS,
    "terms-two-people-in-sql": _NO_REPORTS,
    "terms-two-people": _NO_REPORTS,
    "bank-options-known": _NO_REPORTS,
    "bank-whole-reference": _NO_REPORTS,
    "bank-short-reference": _NO_REPORTS,
    "bank-own-account": _NO_REPORTS,
    "bank-newer-holds": _NO_REPORTS,
    "bank-whole-corrects": _NO_REPORTS,
    "bank-same-statement": _NO_REPORTS,
    "bank-part-corrects": _NO_REPORTS,
    "bank-same-part": _NO_REPORTS,
    "bank-parts-of-a-file": _NO_REPORTS,
    "bank-part-goes-on": _NO_REPORTS,
    "bank-part-missing": _NO_REPORTS,
    "recon-touch-kept": _NO_REPORTS,
    "recon-claim-told": _NO_REPORTS,
    "recon-seen-is-seen": _NO_REPORTS,
    "recon-nobody-waits": _NO_REPORTS,
    "recon-group-left": _NO_REPORTS,
    "recon-late-by-its-day": _NO_REPORTS,
    "recon-named-by-line": _NO_REPORTS,
    "recon-cost-of-change": _NO_REPORTS,
    "recon-upload-by-pieces": _NO_REPORTS,
    "recon-break-steps": _NO_REPORTS,
    "month-four-eyes": _NO_REPORTS,
    "month-four-eyes-in-sql": _NO_REPORTS,
    "month-as-proposed": _NO_REPORTS,
    "month-as-proposed-in-sql": _NO_REPORTS,
    "month-stays-closed": _NO_REPORTS,
    "month-added-beside": _NO_REPORTS,
    "month-opens-as-closed": _NO_REPORTS,
    "month-explained": _NO_REPORTS,
    "month-late-named": _NO_REPORTS,
    "recompute-compares": _NO_REPORTS,
    "recompute-hashes": _NO_REPORTS,
    "recompute-leaves-nothing": _NO_REPORTS,
    "report-escapes": _NO_REPORTS,
    "recon-given-up": _NO_REPORTS,
    "recon-refund-stands": _NO_REPORTS,
    "recon-stray-alone": _NO_REPORTS,
    "recon-fee-rounded": _NO_REPORTS,
    "recon-own-holidays": _NO_REPORTS,
    "recon-due-by-its-day": _NO_REPORTS,
    "newest-reading": _NO_REPORTS,
    "newest-reading-stored": _NO_REPORTS,
    "match-rekeys": _NO_REPORTS,
    "clearing-is-current": "nobody asks what is open while a seed runs",
    "folded-once": _SECOND_LINE,
    "page-behind-a-place": "nobody asks what is open while a seed runs",
    "page-of-debts": "nobody asks what is open while a seed runs",
    "cursor-of-this-list": _NOBODY_ASKS,
}
"""Cases that no seed can find, and why."""


def not_yet_seen() -> tuple[str, ...]:
    """Cases that a simulation could find and none has been seen to: holes, until a hunt says otherwise."""
    return tuple(case.name for case in CASES if case.name not in REACHED and case.name not in OUT_OF_REACH)


def write_page() -> None:
    """Bring the table of what is not hunted up to the lists."""
    page = REPOSITORY / "docs" / "simulation.md"
    kept, heading, _ = page.read_text().partition(NOT_HUNTED)
    page.write_text("\n".join([kept + heading.rstrip("\n"), *page_rows(), ""]))


def page_rows() -> list[str]:
    """What docs/simulation.md says of the cases that are not hunted."""
    rows = [f"| {name} | {why} |" for name, why in OUT_OF_REACH.items()]
    return [*rows, *(f"| {name} | reachable, not yet seen to be found |" for name in not_yet_seen())]


@dataclass(frozen=True, slots=True)
class Found:
    """What a planted bug came to; ``seed`` is None where it was missed."""

    case: Case
    seed: int | None
    seeds: int
    violation: str
    seconds: float


def planted(only: str | None = None) -> tuple[Case, ...]:
    """Every bug that seeds are known to find, or the one of that name, known or not."""
    by_name = {case.name: case for case in CASES}
    return tuple(by_name[name] for name in (REACHED if only is None else (only,)))


def hunt(scratch: Scratch, case: Case, *, seeds: int = SEEDS_MAX, workers: int = 1) -> Found:
    """Plant one bug and run seeds until one finds it."""
    began_s = time.monotonic()
    words = [sys.executable, "-m", "tests.simulation", "--seeds", str(seeds), "--workers", str(workers)]
    environment = os.environ | {"PYTHONPATH": str(scratch.root), "PYTHONDONTWRITEBYTECODE": "1"}
    with scratch.without(case):
        done = subprocess.run(
            [*words, "--stop", "--json"], cwd=scratch.root, env=environment, capture_output=True, text=True,
            timeout=DEADLINE_S, check=False,
        )  # fmt: skip
    if not done.stdout:
        raise RuntimeError(f"{case.name}: the simulation did not run: {done.stderr[-500:]}")
    result = json.loads(done.stdout)
    first = result["violated"][0] if result["violated"] else None
    return Found(
        case=case,
        seed=first["seed"] if first else None,
        seeds=result["seeds"],
        violation=first["violations"][0] if first else "",
        seconds=time.monotonic() - began_s,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt each, print the table; 0 where every bug was found."""
    parser = argparse.ArgumentParser(prog="make sim-planted", description=__doc__)
    names = sorted(case.name for case in CASES)
    parser.add_argument(
        "--only", choices=names, metavar="NAME", help="one case of the sabotage list, by its name"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--page", action="store_true", help="only write the page's table of what is not hunted"
    )
    asked = parser.parse_args(arguments)
    if asked.page:
        write_page()
        return 0
    missed = 0
    print(
        "| planted bug | what it does | found by seed | after seeds | the broken invariant |\n|---|---|---|---|---|"
    )
    with scratch_copy() as scratch:
        for case in planted(asked.only):
            found = hunt(scratch, case, seeds=asked.seeds, workers=asked.workers)
            missed += found.seed is None
            where = "**missed**" if found.seed is None else str(found.seed)
            told = found.violation.replace("|", "/")[:120]
            print(f"| {case.name} | {case.change} | {where} | {found.seeds} | {told} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
