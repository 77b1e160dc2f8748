"""Sabotage of the books: what PostgreSQL refuses about journals, entries and history."""

from typing import Final

from tools.sabotage.case import Case, Patch

_LEDGER = "services/ledger/migrations/versions/0001_create_ledger.py"
_LEDGER_TESTS = "services/ledger/tests/db/test_books_refuse.py::"
_APPEND_ONLY = "shared/persistence/append_only.py"
_APPEND_ONLY_TESTS = "shared/tests/db/test_append_only.py::"
_SEALS = "services/ledger/migrations/versions/0003_seal_journals.py"
_SEALING_TESTS = "services/ledger/tests/db/test_sealing.py::"
_SNAPSHOTS = "services/ledger/adapters/snapshots.py"
_SNAPSHOT_TESTS = "services/ledger/tests/db/test_snapshots.py::"
_DAMAGED_TESTS = "services/ledger/tests/db/test_damaged_snapshots.py::"
_PROOF_TESTS = "services/ledger/tests/db/test_proofs.py::"
_HORIZON = "services/ledger/domain/horizon.py"
_HORIZON_TESTS = "services/ledger/tests/property/test_horizon.py::"
_RULES_TESTS = "services/ledger/tests/unit/test_posting_rules.py::"

BOOKS: Final = (
    Case(
        name="balanced-journal",
        protection="no journal is built that does not sum to zero",
        change="the domain does not add up the entries",
        patches=(
            Patch(
                "services/ledger/domain/journal.py",
                'if unbalanced:\n        raise InvariantViolation("journal_balanced"',
                'if False:\n        raise InvariantViolation("journal_balanced"',
            ),
        ),
        tests=(_RULES_TESTS + "test_entries_that_do_not_make_a_journal_are_refused",),
    ),
    Case(
        name="zero-sum-trigger",
        protection="at COMMIT every journal sums to zero and is whole",
        change="the deferred trigger never fires",
        patches=(
            Patch(
                _LEDGER,
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION journal_balanced();",
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (false) EXECUTE FUNCTION journal_balanced();",
            ),
        ),
        tests=(
            _LEDGER_TESTS + "test_a_journal_that_does_not_balance_is_refused_at_commit",
            _LEDGER_TESTS + "test_a_journal_without_entries_is_refused_at_commit",
        ),
    ),
    Case(
        name="no-later-entries",
        protection="nothing is ever added to a committed journal",
        change="an entry may have a number above its journal's count",
        patches=(Patch(_LEDGER, "\n       OR e.line > j.entry_count\n", "\n"),),
        tests=(_LEDGER_TESTS + "test_entries_cannot_join_the_journal_of_another_transaction",),
    ),
    Case(
        name="same-fact-in-every-part",
        protection="a booked fact that is told again with another fee, held part, object or merchant is seen by people",
        change="only the payment, the currency and the amount are compared",
        patches=(
            Patch(
                "services/ledger/adapters/journals.py",
                """    stated = (journal.payment_id, journal.merchant_id, journal.currency, journal.amount_minor)
    return (*stated, *sorted(journal.entries))
""",
                "    return (journal.payment_id, journal.currency, journal.amount_minor)\n",
            ),
        ),
        tests=(
            "services/ledger/tests/db/test_posting_events.py::test_the_same_fact_with_another_part_is_poison",
        ),
    ),
    Case(
        name="once-per-fact",
        protection="a rule books one fact once, whoever tells of it",
        change="the unique constraint on (rule, fact key) is gone",
        patches=(
            Patch(
                _LEDGER,
                "    CONSTRAINT journals_once_per_cause UNIQUE (rule, cause_event_id),\n"
                "    CONSTRAINT journals_once_per_fact UNIQUE (rule, fact_key)\n",
                "    CONSTRAINT journals_once_per_cause UNIQUE (rule, cause_event_id)\n",
            ),
        ),
        tests=(_LEDGER_TESTS + "test_a_rule_books_one_event_once_and_one_fact_once",),
    ),
    Case(
        name="append-only-trigger",
        protection="journals, entries, evidence and history refuse UPDATE, DELETE and TRUNCATE, even by their owner",
        change="the trigger lets the change pass",
        patches=(
            Patch(
                _APPEND_ONLY,
                "  RAISE EXCEPTION '% on %: rows of this table are never changed or removed',"
                " TG_OP, TG_TABLE_NAME\n    USING ERRCODE = 'restrict_violation';\n",
                "  RETURN COALESCE(NEW, OLD);\n",
            ),
        ),
        tests=(
            _LEDGER_TESTS + "test_not_even_their_owner_may_change_the_books",
            _APPEND_ONLY_TESTS + "test_even_the_owner_and_a_replication_role_are_refused_by_the_trigger",
        ),
    ),
    Case(
        name="append-only-grant",
        protection="the application's role has no grant to change such a row",
        change="the grants are not taken back",
        patches=(
            Patch(
                _APPEND_ONLY,
                "EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM %s', grantee);",
                "NULL;",
            ),
        ),
        tests=(_APPEND_ONLY_TESTS + "test_the_application_has_no_grant_to_change_a_row",),
    ),
    Case(
        name="late-journal-sealed",
        protection="a journal that commits late is sealed, however far the sealer is by then",
        change="the sealer takes the last position drawn for settled, whoever is still at work",
        patches=(Patch(_HORIZON, "        left = awaited.writers & seen.writers\n", "        left = ()\n"),),
        tests=(
            _SEALING_TESTS + "test_a_journal_that_commits_late_is_not_skipped",
            _HORIZON_TESTS + "test_nothing_appears_at_or_below_the_horizon",
        ),
    ),
    Case(
        name="chain-continued",
        protection="a seal is stored only if it continues the chain of its shard",
        change="the trigger never looks",
        patches=(
            Patch(
                _SEALS,
                "FOR EACH STATEMENT EXECUTE FUNCTION seals_chained();",
                "FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION seals_chained();",
            ),
        ),
        tests=(_SEALING_TESTS + "test_a_seal_that_does_not_continue_the_chain_is_refused",),
    ),
    Case(
        name="one-sealer",
        protection="one sealer works at a time, and another passes on without waiting",
        change="the lease is read and not taken",
        patches=(
            Patch(
                "services/ledger/adapters/seals.py",
                "WHERE shard = %(shard)s FOR UPDATE SKIP LOCKED",
                "WHERE shard = %(shard)s",
            ),
        ),
        tests=(_SEALING_TESTS + "test_a_second_sealer_passes_on_while_one_is_at_work",),
    ),
    Case(
        name="late-journal-in-balance",
        protection="a journal that is sealed late is in every balance, whatever snapshot it begins at",
        change="a read begins behind the last journal that the snapshot has, not behind the last settled one",
        patches=(
            Patch(
                "services/ledger/adapters/balances.py",
                "e.journal_position > coalesce(b.settled_position, 0)",
                "e.journal_position > coalesce(b.reached_position, 0)",
            ),
        ),
        tests=(_SNAPSHOT_TESTS + "test_a_journal_that_is_sealed_late_is_in_every_balance",),
    ),
    Case(
        name="one-folder",
        protection="one folder works at a time, and another passes on without waiting",
        change="the lease is read and not taken",
        patches=(
            Patch(
                _SNAPSHOTS,
                "WHERE shard = %(shard)s FOR UPDATE SKIP LOCKED",
                "WHERE shard = %(shard)s",
            ),
        ),
        tests=(_SNAPSHOT_TESTS + "test_a_second_folder_passes_on_while_one_is_at_work",),
    ),
    Case(
        name="wrong-snapshot-found",
        protection="a snapshot that does not say what the entries say is found and named",
        change="verification asks for none",
        patches=(
            Patch(
                "services/ledger/app/verify_seals.py",
                "    wrong = books.first_wrong_snapshot(SHARD)\n",
                "    wrong = None\n",
            ),
        ),
        tests=(_DAMAGED_TESTS + "test_a_damaged_snapshot_is_found_named_and_made_anew",),
    ),
    Case(
        name="seal-times-in-order",
        protection="times of seals never run backwards, so that a time is a place in the chain",
        change="the trigger does not compare them",
        patches=(
            Patch(
                "services/ledger/migrations/versions/0009_snapshot_accounts.py",
                "       OR n.sealed_at < p.sealed_at\n",
                "",
            ),
        ),
        tests=(_SEALING_TESTS + "test_a_seal_of_an_earlier_time_than_its_predecessor_is_refused",),
    ),
    Case(
        name="proof-leads-to-its-head",
        protection="a proof holds only if its links lead from the journal to the signed hash",
        change="the hash at the end is not compared",
        patches=(
            Patch(
                "services/ledger/domain/proofs.py",
                "    if head.hash != reached.hex():\n",
                "    if False:\n",
            ),
        ),
        tests=(
            _PROOF_TESTS + "test_any_changed_byte_is_refused",
            _PROOF_TESTS + "test_books_that_were_changed_give_no_proof",
        ),
    ),
    Case(
        name="proof-head-signed",
        protection="a proof holds only if a trusted key signed its head",
        change="the signature is not checked",
        patches=(
            Patch(
                "services/ledger/app/prove_journal.py",
                "    if not signatures.is_genuine(proven.head):\n",
                "    if False:\n",
            ),
        ),
        tests=(_PROOF_TESTS + "test_a_head_of_another_key_or_not_kept_proves_nothing",),
    ),
)
