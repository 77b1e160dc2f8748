"""Sabotage of rebuilt books' months and of the keys that seal them."""

from typing import Final

from tools.sabotage.case import Case, Patch

_TESTS: Final = "services/ledger/tests/db/test_rebuilding_months.py::"
_SQL: Final = "services/ledger/migrations/versions/0020_close_rebuilt_months.py"
_CLOSES: Final = "services/ledger/adapters/restoring_closes.py"
_VERIFY: Final = "services/ledger/app/verify_seals.py"
_LATE: Final = "test_what_the_old_books_never_told_of_is_late_as_it_would_have_been_there"
_REFUSED: Final = "test_a_journal_in_a_closed_month_is_refused_unless_it_was_told_so"
_ANEW: Final = "test_what_was_told_comes_late_where_people_closed_its_month_anew"
_KEYS: Final = "test_the_key_of_the_old_books_seals_nothing_of_the_new_ones"

REBUILDING_MONTHS: Final = (
    Case(
        name="close-told-whole",
        protection="all of what people decided of a month is told with the decision",
        change="only the act is told",
        patches=(
            Patch(
                "services/ledger/app/close_period.py",
                "    work.announce_close_decision(decided, event_id)\n",
                "",
            ),
        ),
        tests=(_TESTS + _LATE,),
    ),
    Case(
        name="told-close-binds",
        protection="what the old books closed is closed in rebuilt ones from the first journal on",
        change="only what is closed here binds",
        patches=(
            Patch(
                _SQL,
                "greatest((SELECT max(ends_at) FROM closed_periods), (SELECT max(ends_at) FROM told_closes))",
                "(SELECT max(ends_at) FROM closed_periods)",
            ),
        ),
        tests=(_TESTS + _LATE,),
    ),
    Case(
        name="told-takes-effect-where-it-did",
        protection="a journal that was told takes effect in rebuilt books where it did in the old ones",
        change="it takes effect in the first open month",
        patches=(
            Patch(
                "services/ledger/adapters/journals.py",
                "booked = None if was is None else as_told",
                "booked = None if True else as_told",
            ),
        ),
        tests=(_TESTS + _LATE,),
    ),
    Case(
        name="told-in-a-closed-month-exactly",
        protection="SQL lets only what was told into a closed month of the old books, and then as it was told",
        change="a journal that was told may take effect at any time of it",
        patches=(
            Patch(_SQL, "                              AND t.effective_at = n.effective_at))\n", "))\n"),
        ),
        tests=(_TESTS + _REFUSED,),
    ),
    Case(
        name="told-late-exactly",
        protection="SQL lets a late journal of the old books be late as it was told, and no other way",
        change="it may take effect at any later time",
        patches=(
            Patch(
                _SQL,
                "t.journal_id = j.journal_id AND t.effective_at = j.effective_at",
                "t.journal_id = j.journal_id",
            ),
        ),
        tests=(_TESTS + _REFUSED,),
    ),
    Case(
        name="told-until-closed-here",
        protection="nothing that was told comes into a month once it is closed in the rebuilt books",
        change="SQL lets it in for ever",
        patches=(
            Patch(
                _SQL,
                "EXISTS (SELECT FROM closed_periods c WHERE c.ends_at > n.effective_at)",
                "false",
            ),
        ),
        tests=(_TESTS + _ANEW,),
    ),
    Case(
        name="told-after-closing-is-late",
        protection="what was told and comes after its month was closed anew takes effect in the first open one",
        change="it is booked where it was told, which is refused for ever",
        patches=(
            Patch(
                "services/ledger/adapters/told_journals.py",
                "NOT EXISTS (SELECT FROM closed_periods c WHERE c.ends_at > t.effective_at)",
                "true",
            ),
        ),
        tests=(_TESTS + _ANEW,),
    ),
    Case(
        name="month-waits-for-what-was-told",
        protection="a month is closed again only once all that was told before its end is there",
        change="it is closed with what there is",
        patches=(Patch(_CLOSES, "since is None or Month.read(close.period).ends_at <= since", "True"),),
        tests=(_TESTS + "test_a_month_is_closed_once_all_that_was_told_in_it_is_there",),
    ),
    Case(
        name="untold-closes-are-named",
        protection="a close that no event tells whole is named",
        change="it is passed over",
        patches=(
            Patch(_CLOSES, "untold=tuple(sorted(acts - {close.close_id for close in told})),", "untold=(),"),
        ),
        tests=(_TESTS + "test_a_close_of_before_its_decision_was_an_event_is_named",),
    ),
    Case(
        name="restored-close-contradiction",
        protection="a close that stands otherwise than the archive tells is refused",
        change="whatever stands there is taken for it",
        patches=(
            Patch(
                "services/ledger/app/restore_close.py",
                "if stored is not None and stored != told:",
                "if False:",
            ),
        ),
        tests=(_TESTS + "test_a_close_that_stands_otherwise_is_refused",),
    ),
    Case(
        name="former-key-signs-nothing",
        protection="SQL takes no head and no close that is signed with a key of the old books",
        change="any key signs",
        patches=(
            Patch(
                _SQL,
                "IF EXISTS (SELECT FROM former_seal_keys WHERE key_id = NEW.key_id) THEN",
                "IF false THEN",
            ),
        ),
        tests=(_TESTS + _KEYS,),
    ),
    Case(
        name="former-key-does-not-start",
        protection="a role that is given the key of the old books does not start",
        change="it starts",
        patches=(
            Patch(
                "services/ledger/adapters/former_keys.py",
                "        if key_id in former_keys(connection):\n",
                "        if False:\n",
            ),
        ),
        tests=(_TESTS + _KEYS,),
    ),
    Case(
        name="former-heads-are-named",
        protection="a kept head of the old books is called one, not a head of this chain",
        change="it is compared like any other",
        patches=(Patch(_VERIFY, "    if head.key_id in former:\n", "    if False:\n"),),
        tests=(_TESTS + _KEYS,),
    ),
    Case(
        name="former-closes-are-named",
        protection="a kept close of the old books is called one, not a close of this chain",
        change="it is compared like any other",
        patches=(Patch(_VERIFY, "    if of_former is not None:\n", "    if False:\n"),),
        tests=(_TESTS + _KEYS,),
    ),
)
