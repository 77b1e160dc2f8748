"""Which cases of the sabotage list seeds find, which they cannot and why; what is left is a hole in the simulation."""

from tools.sabotage.cases import CASES
from tools.sabotage.cases.adjusting import ADJUSTING
from tools.sabotage.cases.answering import ANSWERING
from tools.sabotage.cases.auditing import AUDITING
from tools.sabotage.cases.by_hand import BY_HAND
from tools.sabotage.cases.correcting import CORRECTING
from tools.sabotage.cases.deciding import DECIDING
from tools.sabotage.cases.growing import GROWING
from tools.sabotage.cases.importing import IMPORTING
from tools.sabotage.cases.noting import NOTING
from tools.sabotage.cases.rates import RATES
from tools.sabotage.cases.reading import READING
from tools.sabotage.cases.rebuilding import REBUILDING
from tools.sabotage.cases.rebuilding_months import REBUILDING_MONTHS
from tools.sabotage.cases.settling import SETTLING
from tools.sabotage.cases.terminal import TERMINAL
from tools.sabotage.cases.verifying import VERIFYING
from tools.sabotage.cases.withdrawn_returns import WITHDRAWN_RETURNS

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
    "mark-after-report",
    "risk-before-sending",
    "risk-fail-mode",
    "risk-late-capture",
    "stray-policy-mismatch",
    "version-check",
    "gap-check",
    "attempt-epoch",
    "stray-policy-once",
    "stray-policy-time",
    "risk-late-denial",
    "risk-two-people",
    "came-and-went",
    "astray-came-and-went",
    "refund-of-a-lost-capture",
    "late-charge-waits",
    "last-capture",
    "hold-given-back",
    "review-answered",
    "webhook-company",
    "whole-lives",
    "lost-commit-not-redone",
    "reply-owner",
    "hold-taken-astray",
    "searched-from-the-first-send",
    "review-keeps-its-case",
    "arises-anew",
    "decision-contradicted",
    "only-decisions-decide",
    "return-before-dispute",
    "last-capture-astray",
    "reinstated-any-order",
    "accepted-beside-a-hold",
    "close-four-eyes",
    "group-fault",
    "not-done-in-its-own-words",
    "scale-of-its-currency",
    "readers-use-no-rung",
    "note-before-journal",
    "recon-two-people",
    "late-charge-of-a-refused",
    "risk-refused-asks-again",
    "risk-denial-of-its-own",
    "risk-denial-waits-for-people",
    "exhausted-in-a-currency",
)
"""Cases of the sabotage list that seeds have been seen to find."""
_ONE_AT_A_TIME = "two transactions never run at the same instant here"
_SECOND_LINE = "the other line of the same defence, in Python or in SQL, holds alone"
_KAFKA = "librdkafka is not in this world: `make test-kafka`"
_UNCOUNTED = "what comes under a used key is answered here, but not counted"
_PACE = "no seed judges how fast a processor is called"
_NOBODY_ASKS = "nothing in this world asks for what it refuses"
_NO_PROOFS = "nobody proves a journal while a seed runs"
_NO_REPORTS = "no report of a processor is read while a seed runs"
_NOT_BY_HAND = "nobody adjusts the books by hand while a seed runs"
_NOT_CORRECTED = "nobody corrects what a reply said while a seed runs"
_NO_TERMINAL = "nobody types a command while a seed runs"
_NOT_IMPORTED = "no journals are imported while a seed runs"
_NOT_REBUILT = "no books are lost and rebuilt while a seed runs"
_ONE_PARTITION = "no partition of entries fills while a seed runs"
_NOT_VERIFIED = "nobody verifies a chain while a seed runs; of its own the auditor finds no wrong one"
_NEVER_AWAY = "a server of this world answers, or ends a session with a word"
_NO_STRANGER = "no record is applied while a seed runs but those of our own services"
_NO_SQL = "nobody writes the books by plain SQL while a seed runs"
_NOT_HOSTILE = "nobody sends a body that is made to hurt while a seed runs"
_UNTOLD = "no seed counts anew what risk counted in its windows"
_OF_REPORTS = (
    "settled-is-available", "recon-rate-of-both-amounts", "recon-suspense-is-named", "recon-rate-corrected",
    "recon-fee-across-exchange", "recon-exchange-explained", "recon-unread-explained", "recon-parts-of-a-month",
    "settled-rest-astray", "amendment-reverses", "amends-what-stands", "rounding-has-bounds", "settlement-taken-back",
    "sources-take-turns", "sources-wait-for-files", "sources-held", "reports-whole-corrects", "reports-pieces-stay",
    "reports-payout-known", "reports-told-stays", "reports-closed-first", "reports-no-guess", "reports-size",
    "reports-complete", "folder-holds-up-nobody", "only-what-was-read-is-moved", "recon-line-claimed-once",
    "recon-item-claimed-once", "recon-claims-of-two", "recon-weaker-released", "recon-stronger-word",
    "recon-match-told-once", "recon-match-taken-back", "recon-taken-back-after-a-run", "payment-match-taken-back",
    "recon-credit-told-once", "payment-report-of-doubt", "payment-report-of-all", "payment-report-parent",
    "payment-report-money-moved", "payment-report-waited", "recon-return-as-proposed", "recon-break-names-payment",
    "recon-renamed-line", "recon-evidence-once", "recon-evidence-waits", "recon-evidence-no-guess",
    "payment-report-follows", "payment-report-says-less", "recon-return-two-people", "recon-files-hold-up-month",
    "recon-unread-lines", "recon-payout-total", "recon-statement-missing", "recon-bank-business-days",
    "recon-nameless-rows", "recon-closed-month-report", "recon-days-without-netting", "break-queue-major-units",
    "recon-return-as-it-stands", "payment-return-as-approved", "payment-return-two-people",
    "recon-adjust-as-proposed", "recon-adjust-within-risk", "ledger-asked-two-people",
    "bulk-as-seen", "bulk-assign-as-seen", "assign-keeps-proposal", "break-queue-whole", "terms-never-before",
    "terms-decided-once", "terms-two-people-in-sql", "terms-two-people", "bank-options-known", "bank-whole-reference",
    "bank-short-reference", "bank-own-account", "bank-newer-holds", "bank-mt940-made-at", "bank-whole-corrects",
    "bank-same-statement", "bank-part-corrects", "bank-same-part", "bank-parts-of-a-file", "bank-part-goes-on",
    "bank-part-missing", "recon-touch-kept", "recon-claim-told", "recon-seen-is-seen", "recon-nobody-waits",
    "recon-group-left", "recon-late-by-its-day", "recon-named-by-line", "recon-cost-of-change",
    "recon-upload-by-pieces", "reports-feed-gap", "recon-break-steps", "month-four-eyes", "month-keeps-days",
    "month-keeps-days-in-sql", "month-four-eyes-in-sql", "month-as-proposed", "month-as-proposed-in-sql",
    "month-stays-closed", "month-added-beside", "month-opens-as-closed", "month-explained", "month-late-named",
    "recompute-compares", "recompute-days", "recompute-decisions", "recompute-hashes", "recompute-leaves-nothing",
    "report-escapes", "recon-given-up", "recon-refund-stands", "recon-stray-alone", "recon-fee-rounded",
    "recon-own-holidays", "recon-due-by-its-day", "newest-reading", "newest-reading-stored", "match-rekeys",
    "recon-order-unknown", "recon-order-of-statements", "recon-order-of-more", "recon-order-of-more-entries",
    "recon-preferred-recomputed", "recon-not-asked-then",
    "recon-preferred-reading", "recon-preferred-settles", "recon-preferred-settles-no-more",
    "recon-preferred-in-doubt", "recon-preferred-undecided", "recon-preferred-was-read", "recon-preferred-overtaken",
    "recon-preferred-alone", "recon-preferred-alone-in-sql", "recon-preferred-in-turn", "recon-preferred-unseen",
    "recon-preferred-storable", "recon-preferred-ends", "recon-preferred-ends-whole",
    "recon-order-of-staging", "recon-decided-by-staging",
)  # fmt: skip
_NO_FAILURE = "no waiting fact of a seed fails at being taken in"
_NO_NOTHING = "both processors of every seed tell of money with its amount"
_NAMED = "both processors of every seed name what a refund gives back"
_TOLD_ELSEWHERE = "what an unreadable event of a seed was about, another source tells, or a ladder looks up"
OUT_OF_REACH = {
    "word-before-the-decision": "people of a seed decide by the processor's own book, and no older word contradicts it",
    "unreadable-looks-at-what-it-names": _TOLD_ELSEWHERE,
    **dict.fromkeys(
        ("unreadable-is-told-beside-a-doubt", "unreadable-of-another-kind", "unreadable-of-another-object"),
        "no seed asks which unreadable events were shown to a person",
    ),
    "closed-under-a-dead-worker": "what a look-up finds of a decided operation the feed of a seed tells too",
    "feed-unreadable-is-told": _TOLD_ELSEWHERE,
    "feed-unreadable-is-counted": "no seed reads this metric",
    "feed-unreadable-is-acted-on": _TOLD_ELSEWHERE,
    "away-without-a-word": _NEVER_AWAY,
    "role-waits": _NEVER_AWAY,
    "whole-hold": "both processors of every seed capture parts",
    "routes-at-start": "a seed's processes start with settings that are right",
    "attempts-at-start": "a seed's processes start with settings that are right",
    "attempts-unattended-counted": "a seed's processes start with settings that are right",
    "wish-where-nobody-looks": "a seed's processes start with settings that are right",
    "window-of-a-list": "a seed's processes start with settings that are right",
    "closed-month-in-sql": _SECOND_LINE,
    "close-waits-for-posting": _ONE_AT_A_TIME,
    "posting-reads-after-its-turn": _ONE_AT_A_TIME,
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
    "ceiling-in-sql": _NOT_BY_HAND,
    "ceiling-in-turn": _NOT_BY_HAND,
    "ceiling-behind-the-fold": _NOT_BY_HAND,
    "adjustment-as-template": _NOT_BY_HAND,
    "floor-under-load": _NOT_BY_HAND,
    "success-was-asked-for": _NO_STRANGER,
    "loss-within-what-is-held": _NO_STRANGER,
    "settled-was-captured": _NO_STRANGER,
    "settled-once": _NO_STRANGER,
    "settled-at-its-processor": _NO_STRANGER,
    "stray-is-named": _NO_STRANGER,
    "rate-is-a-number": _NO_STRANGER,
    "announces-what-may-be": _NO_STRANGER,
    "accounts-in-one-order": _ONE_AT_A_TIME,
    "nothing-lost-under-load": "no batch of a seed has as many journals as the patch loses one of",
    **{case.name: _NOT_VERIFIED for case in (*NOTING, *VERIFYING) if case.name not in REACHED},
    "journals-ahead-in-sql": _NO_SQL,
    "settled-sealed-in-sql": _NO_SQL,
    "undrawn-position-awaited": _NO_SQL,
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
    **{case.name: _NOT_CORRECTED for case in CORRECTING},
    **{case.name: _NO_REPORTS for case in RATES},
    "scale-at-start": "a seed's processes start with the list of currencies that its books were made with",
    "scale-verified": _NOT_VERIFIED,
    **{case.name: _NO_REPORTS for case in AUDITING},
    "moves-its-way": _SECOND_LINE,
    "refund-stays-its-captures": "no processor of a seed calls one refund by two captures",
    **dict.fromkeys(("failing-fact-alone", "failing-fact-rests", "failing-fact-told"), _NO_FAILURE),
    **dict.fromkeys(
        ("failing-work-rests", "failing-work-in-nobodys-way"), "no timed work fails while a seed runs"
    ),
    **dict.fromkeys(
        ("stuck-case-of-all", "stuck-fact-by-name", "stuck-in-its-own-money"),
        "a fact is stuck after a day, a seed lasts minutes",
    ),
    **dict.fromkeys(("failed-without-amount", "dispute-without-amount"), _NO_NOTHING),
    "return-names-no-parent": _NAMED,
    "later-word-names-no-parent": _NAMED,
    "adapter-fault-in-doubt": "no adapter has a fault of its own while a seed runs",
    "json-depth-linear": _NOT_HOSTILE,
    "webhook-too-deep": _NOT_HOSTILE,
    "amount-read-in-bounds": _NO_STRANGER,
    "currency-read-known": _NO_STRANGER,
    "late-journal-sealed": _ONE_AT_A_TIME,
    "one-sealer": _ONE_AT_A_TIME,
    "chain-continued": _SECOND_LINE,
    "dead-key": "no processor has agreed to forget a key within the minutes of a seed: one that does so has broken its word",
    "tried-is-not-sent": "what goes back is disputed before its first try, where that is arranged, and hardly ever after one in vain",
    "doubt-is-not-arrived": "no seed judges whether what is wanted no more goes out again: under its own key it moves money once",
    "accepted-beside-a-doubt": "no person of a seed accepts while an attempt is undecided and it then takes the money as well",
    "withdrawn-once": "to ask once more changes nothing",
    "shown-is-no-failure": "what is called failed too early is adopted or astray once it is shown again, which seeds allow",
    "withdrawn-not-sent-again": "no seed judges a send that nobody wants any more: under its own key it moves money once",
    "feed-turn-given-back": _PACE,
    **dict.fromkeys(
        ("list-begins-before-our-clock", "absent-by-one-clock"),
        "a seed has one clock, which the processors go by as well",
    ),
    "refused-in-its-own-words": "no proxy of a seed has a code of its own for an error",
    **dict.fromkeys(("large-page-in-parts", "page-grows-again"), "no page of a seed is large"),
    "evidence-ends": "nobody hands in evidence of one dispute eleven times within the minutes of a seed",
    **dict.fromkeys(
        ("ages-apart", "unheard-reading-ends"), "no doubt of a seed is hours old, and no list long to read"
    ),
    **dict.fromkeys(
        ("half-for-sends", "half-for-sends-in-sql", "every-second-turn", "due-by-index", "open-by-index"),
        _PACE,
    ),
    "in-doubt-before-reported": "every report of a seed names our operation",
    "later-field-no-wish": "no service of a seed is deployed with another contract",
    "absent-no-sooner": "what is called absent too soon is adopted or astray once it arrives, which seeds allow",
    "absent-however-often-sent": "in no seed asked was a refund sent twice, and both times in doubt, before it was withdrawn",
    "exhausted-of-no-money": "no hold of a seed is made by others under the id of a payment that never asked for money",
    **dict.fromkeys(
        ("too-long-is-its-own", "finding-fails-aloud"), "no statement of a seed meets a limit of the database"
    ),
    **dict.fromkeys(
        ("late-is-not-written", "late-by-its-lease"),
        "the processors of a seed are called without a connection to write to",
    ),
    "refused-is-not-done": "no rule of a seed refuses a call",
    "look-up-within-lease": "no list of a seed has more pages than a lease has time for",
    **dict.fromkeys(
        ("feed-hour-before-reading", "feed-round-goes-on", "feed-checkpoint-kept"),
        "no feed of a seed is an hour long: every round begins at its start",
    ),
    **dict.fromkeys(("feed-turn-by-the-clock", "feed-patience", "list-patience"), _PACE),
    "waits-are-lengths": "a seed's processes start with settings that are right",
    **dict.fromkeys(
        ("dismissed-once-stuck", "dismissed-once-stuck-in-sql", "dismissed-stays", "dismissed-rests"),
        "nobody dismisses a fact while a seed runs",
    ),
    **dict.fromkeys(
        ("proposal-has-its-proof", "proposal-would-decide", "proposal-can-be-returned"), _SECOND_LINE
    ),
    "proof-is-this-payments": "no operator of a seed names an object of another payment",
    "list-behind-a-place": "no list of a seed is longer than its page",
    "parked-list-whole": "no list of a seed is longer than its page",
    "refused-cancel-forgotten": "no seed reads what a payment says went wrong",
    "hold-became-money": "no seed judges a case that stays open",
    **dict.fromkeys(
        (
            "unsent-proves-nothing",
            "let-go-within-the-hold",
            "unsent-is-no-doubt",
            "line-waits-for-no-unsent",
            "dropped-settles-denials",
            "unsent-sale-keeps-open",
            "earlier-was-sent",
        ),
        "nobody charges at the processor's own pages while a capture of a seed waits for risk",
    ),
    "ended-hold-ends-the-wait": "people of a seed decide every review, and what is let go then finds nothing left",
    "review-shown": "what is small enough to go unjudged is so for every kind of operation in a seed",
    "accepted-before-asked": "nobody charges for a payment of a seed that has tried no method yet",
    "waited-no-more": "nobody reads a timeline's verdicts while a seed runs",
    "risk-late-arrival": _UNTOLD,
    "risk-sum-fits": "no client of a seed asks for amounts of which a thousand come to 2^63",
    "risk-capture-method": _UNTOLD,
    "key-in-company": _ONE_AT_A_TIME,
    "decoder-in-turn": _ONE_AT_A_TIME,
    "repeat-tally": _UNCOUNTED,
    "repeat-in-doubt": _UNCOUNTED,
    "json-duplicate-key": _NOBODY_ASKS,
    "lost-worker-is-looked-up": "a second send is harmless under alpha's key, and for beta another line looks first",
    "refund-guard": _ONE_AT_A_TIME,
    "answer-of-another": "no call of a seed is answered with what another call did",
    "dispute-took-room-in-sql": _SECOND_LINE,
    "dispute-took-room": "the processors of every seed refuse to refund what a dispute took",
    "lost-before-its-money-in-sql": _SECOND_LINE,
    "lost-before-its-money": "the processors of every seed refuse to refund what a dispute took",
    "nothing-left-is-nothing": "no seed reads the words of a refusal",
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
    "decided-though-closed": (
        "nobody can close the case of an operation in review but by deciding it (`case_needs_decision`), no decision leaves"
        " it open, nothing goes into review twice, and a case closed before that would take an answer newer than what"
        " was told of its object: only payments of an older release are so; 16 arranged seeds were asked in vain"
    ),
    "doubt-dated-once": "no seed judges how old a doubt looks",
    "doubt-is-no-silence": "no month goes by within the minutes of a seed",
    "abandoned-trigger": _SECOND_LINE,
    "risk-gate": _SECOND_LINE,
    "risk-pinned-version": "an operation is asked about once, under one version of its payment",
    "risk-denied-hold-asks-again": "no seed's judge knows when a denial came, so a capture may rest on what was denied later",
    "risk-decided-once": _SECOND_LINE,
    "lock-order": _ONE_AT_A_TIME,
    "held-row-waits": _ONE_AT_A_TIME,
    "held-row-rests": _ONE_AT_A_TIME,
    "gapless-producer": _KAFKA,
    "failed-delivery-stops": "the producer of this world stops at a failure by itself: nothing later gets through",
    "mark-epoch": (
        "a relay forgets with its lease all that it had in flight, and no two relays have one name: only"
        " test_marks_of_an_old_epoch_change_no_row asks with an old epoch"
    ),
    "refill-alone": "no topic is filled anew while a seed runs",
    "stray-policy-head": "no world has as many strays before people as the policy looks at in one turn",
    **dict.fromkeys(
        ("redrive-goes-on", "redrive-tries-everything"),
        "no key of a seed has more poison than a redrive's turn takes",
    ),
    "refused-by-the-database": "no producer of a seed tells what the database refuses",
    "text-not-storable": "no producer of a seed tells what the database refuses",
    "no-parameter-ignored": "nobody misspells what is asked for while a seed runs",
    "decided-without-rules": "no rule set of a seed is longer than a body",
    "moments-in-utc": "nobody asks as of a time of their own while a seed runs",
    "cursor-is-text": "nobody makes up a cursor while a seed runs",
    "end-of-patience": "patience with what was accepted lasts a day and longer, a seed minutes",
    "version-taken-back": _NO_STRANGER,
    "same-fact-in-every-part": _NO_STRANGER,
    "loss-taken-back-of-losses": _NO_STRANGER,
    "completed-as-asked": _NO_STRANGER,
    "partitioner": _KAFKA,
    "revoked-partition": _KAFKA,
    "commit-unwaited": _KAFKA,
    "commit-refused-for-good": _KAFKA,
    "commit-failure-told": _KAFKA,
    "relay-lease": "each of two relays publishes a stream from its first unsent row on: they make copies, no other order",
    "unsent-flag": "positions commit in their order: no two transactions are open at once, and marks go by prefix",
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
    "clearing-is-current": "nobody asks what is open while a seed runs",
    **dict.fromkeys(_OF_REPORTS, _NO_REPORTS),
    "folded-once": _SECOND_LINE,
    "page-behind-a-place": "nobody asks what is open while a seed runs",
    "page-of-debts": "nobody asks what is open while a seed runs",
    "cursor-of-this-list": _NOBODY_ASKS,
    "cursor-is-no-card": _NOBODY_ASKS,
}
"""Cases that no seed can find, and why."""


NEVER_MET: dict[str, int] = {}
"""Cases of which nothing happened in so many seeds from 0 on that they are about: no such seed can find them."""
MISSED: dict[str, int] = {}
"""Cases that so many seeds from 0 on were seen to miss though nothing says that they must."""


def not_yet_seen() -> tuple[str, ...]:
    """Cases that a simulation could find and none has been seen to: holes, until a hunt says otherwise."""
    return tuple(case.name for case in CASES if case.name not in REACHED and case.name not in OUT_OF_REACH)
