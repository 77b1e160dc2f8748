"""Sabotage of books that grow: the partitions of entries."""

from typing import Final

from tools.sabotage.case import Case, Patch

_PARTITIONS = "services/ledger/migrations/versions/0012_partition_entries.py"
_CHECKS = "services/ledger/migrations/checks/0012.sql"
_PARTITION_TESTS = "services/ledger/tests/db/test_entry_partitions.py::"

GROWING: Final = (
    Case(
        name="partition-no-rights",
        protection="the application has no right on a partition, whoever made it",
        change="the default privileges are not taken back, and the migration does not look",
        patches=(
            Patch(
                _PARTITIONS,
                "  EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, ledger_app', name);\n",
                "",
            ),
            Patch(_CHECKS, "table_name ~ '^entries_p[0-9]{6}$');", "false);"),
        ),
        tests=(_PARTITION_TESTS + "test_the_application_may_do_nothing_to_a_partition",),
    ),
    Case(
        name="partition-keeps-all",
        protection="a partition that is named directly refuses TRUNCATE, even by its owner",
        change="the trigger on partitions never fires",
        patches=(
            Patch(
                _PARTITIONS,
                "BEFORE TRUNCATE ON %I '\n                 'FOR EACH STATEMENT EXECUTE",
                "BEFORE TRUNCATE ON %I '\n                 'FOR EACH STATEMENT WHEN (false) EXECUTE",
            ),
        ),
        tests=(_PARTITION_TESTS + "test_nobody_may_change_a_partition",),
    ),
    Case(
        name="partition-entries-fit",
        protection="an entry that does not fit its journal is refused in a partition that is named directly",
        change="the trigger on partitions never looks",
        patches=(
            Patch(
                _PARTITIONS,
                "REFERENCING NEW TABLE AS new_entries '\n                 'FOR EACH STATEMENT EXECUTE",
                "REFERENCING NEW TABLE AS new_entries '\n                 'FOR EACH STATEMENT WHEN (false) EXECUTE",
            ),
        ),
        tests=(_PARTITION_TESTS + "test_entries_that_do_not_fit_are_refused_in_every_partition",),
    ),
    Case(
        name="partition-missing-waits",
        protection="where the next partition is missing, booking waits for it and nothing is lost or parked",
        change="its absence counts as a record that can never be booked",
        patches=(
            Patch(
                "services/ledger/adapters/entry_partitions.py",
                "        if error.diag.constraint_name is not None or",
                '        raise Poison("no partition") from error\n        if error.diag.constraint_name is not None or',
            ),
            Patch(
                "services/ledger/adapters/entry_partitions.py",
                "from shared.runtime.metric_names import",
                "from shared.kernel.errors import Poison\nfrom shared.runtime.metric_names import",
            ),
        ),
        tests=(
            _PARTITION_TESTS + "test_without_a_partition_booking_waits_and_nothing_is_lost_or_parked",
            _PARTITION_TESTS + "test_a_missing_partition_is_a_shortage_and_a_broken_check_is_not",
        ),
    ),
    Case(
        name="partitions-without-gap",
        protection="partitions are made from where the last one ends, so that none before the present one is missing",
        change="they are made from the one being written on",
        patches=(
            Patch(
                _PARTITIONS,
                "generate_series(entries_end() / {POSITIONS}, drawn",
                "generate_series(greatest(entries_end() / {POSITIONS}, drawn / {POSITIONS} + 1), drawn",
            ),
        ),
        tests=(_PARTITION_TESTS + "test_making_ahead_keeps_its_distance_and_two_at_once_make_it_once",),
    ),
)
