"""Sabotage of commit, outbox and relay: every committed event reaches its topic, in order, at least once."""

from typing import Final

from tools.sabotage.case import Case, Patch

_UNIT_OF_WORK = "shared/persistence/unit_of_work.py"
_LOOK_UP = "if not self._lookup.was_committed(transaction_id, name):"
_TRANSACTION_TESTS = "shared/tests/db/test_transactions.py::"
_STATEMENT_TESTS = "shared/tests/property/test_outbox_statement.py::"
_RELAY = "shared/messaging/relay.py"
_RELAY_STORE = "shared/messaging/relay_store.py"
_RELAY_TESTS = "shared/tests/db/test_relay.py::"
_KAFKA_TESTS = "shared/tests/kafka/test_kafka_broker.py::TestKafkaBroker::"

PUBLISHING: Final = (
    Case(
        name="away-without-a-word",
        protection="a server that goes without an answer is waited for: no process dies of it",
        change="the kind of error is what an answer without a code says",
        patches=(
            Patch(
                "shared/persistence/statements.py",
                "if error.sqlstate is None and not isinstance(error, psycopg.OperationalError):",
                "if False:",
            ),
        ),
        tests=(
            "shared/tests/db/test_statements.py::test_a_server_that_is_gone_without_a_word_is_away_and_not_at_fault",
        ),
    ),
    Case(
        name="role-waits",
        protection="what is done every few seconds outlasts an outcome of COMMIT that nobody could look up",
        change="the role ends, and its process with it",
        patches=(
            Patch(
                "shared/runtime/roles.py",
                "except (DBAPIError, PoolTimeout, CommitUnknown)",
                "except DBAPIError",
            ),
        ),
        tests=("shared/tests/unit/test_roles.py::test_a_database_that_is_away_is_waited_out",),
    ),
    Case(
        name="lost-commit-not-redone",
        protection="a COMMIT whose answer was lost is looked up before the work is done again",
        change="a lost COMMIT counts as rolled back, and the work is run again",
        patches=(Patch(_UNIT_OF_WORK, _LOOK_UP, "if True:"),),
        tests=(_TRANSACTION_TESTS + "test_a_lost_commit_is_looked_up_and_has_one_effect",),
    ),
    Case(
        name="lost-commit-not-believed",
        protection="a COMMIT whose answer was lost is looked up before success is reported",
        change="the error at COMMIT is swallowed",
        patches=(Patch(_UNIT_OF_WORK, _LOOK_UP, "if False:"),),
        tests=(_TRANSACTION_TESTS + "test_a_lost_commit_is_looked_up_and_has_one_effect",),
    ),
    Case(
        name="lock-order",
        protection="a transaction locks its streams in one order, so that two of them queue up instead of deadlocking",
        change="streams are locked in the order in which events were appended",
        patches=(
            Patch(
                "shared/persistence/outbox.py",
                "for topic, key in sorted(totals)]",
                "for topic, key in totals]",
            ),
        ),
        tests=(_STATEMENT_TESTS + "test_streams_are_sorted_and_versions_count_up_to_their_totals",),
    ),
    Case(
        name="unsent-flag",
        protection="the relay asks for rows that are not sent, so a slow writer's row is not skipped",
        change='the relay asks for rows "after the last one sent"',
        patches=(
            Patch(
                _RELAY_STORE,
                "AND sent_at IS NULL AND position <> ALL (%(in_flight)s::bigint[])\n",
                "AND position > (SELECT coalesce(max(position), 0) FROM outbox WHERE sent_at IS NOT NULL)"
                " AND position <> ALL (%(in_flight)s::bigint[])\n",
            ),
        ),
        tests=(_RELAY_TESTS + "test_a_slow_writer_that_commits_late_is_not_skipped",),
    ),
    Case(
        name="mark-after-report",
        protection="a row is marked from its delivery report",
        change="a row is marked once produce() returns",
        patches=(
            Patch(
                _RELAY,
                "self._produce(row, partial(self._reported, shard, position))\n",
                "self._produce(row, partial(self._reported, shard, position))\n"
                "            shard.acknowledged.append(position)\n",
            ),
            Patch(
                _RELAY,
                "if failure is None:\n            shard.acknowledged.append(position)\n",
                "if failure is None:\n            return\n",
            ),
        ),
        tests=(
            _RELAY_TESTS + "test_a_row_is_not_marked_before_its_delivery_report",
            _RELAY_TESTS + "test_only_what_the_broker_took_is_marked_when_the_process_dies",
        ),
    ),
    Case(
        name="failed-delivery-stops",
        protection="a failed delivery ends the relay before anything that went out beside it is marked",
        change="a failed row is left for later and the relay goes on",
        patches=(
            Patch(
                _RELAY,
                "elif not failure.purged and self._failure is None:\n"
                "            self._failure = failure.reason\n",
                "else:\n            del shard.in_flight[position]\n",
            ),
        ),
        tests=(_RELAY_TESTS + "test_a_failed_delivery_ends_the_relay_also_where_the_client_would_go_on",),
    ),
    Case(
        name="gapless-producer",
        protection="after a record that the broker refuses, the producer lets no later one pass",
        change="librdkafka's gapless guarantee is switched off",
        patches=(
            Patch(
                "shared/messaging/kafka_settings.py",
                '"enable.gapless.guarantee": True',
                '"enable.gapless.guarantee": False',
            ),
        ),
        tests=(_KAFKA_TESTS + "test_after_a_refused_record_no_later_one_of_the_producer_passes",),
    ),
    Case(
        name="relay-lease",
        protection="one relay publishes a shard at a time",
        change="a shard is claimed though its lease runs",
        patches=(
            Patch(
                _RELAY_STORE,
                "\n WHERE l.expires_at <= clock_timestamp()\nRETURNING epoch\n",
                "\nRETURNING epoch\n",
            ),
        ),
        tests=(_RELAY_TESTS + "test_two_relays_share_one_shard_by_lease_only",),
    ),
    Case(
        name="mark-epoch",
        protection="rows are marked only under the lease epoch that published them",
        change="the mark asks for the owner's name and not for the epoch",
        patches=(
            Patch(
                _RELAY_STORE,
                "AND l.owner = %(owner)s AND l.epoch = %(epoch)s\n   AND o.shard = l.shard",
                "AND l.owner = %(owner)s\n   AND o.shard = l.shard",
            ),
        ),
        tests=(_RELAY_TESTS + "test_marks_of_an_old_epoch_change_no_row",),
    ),
    Case(
        name="partitioner",
        protection="every producer places a key on the same partition",
        change="librdkafka's own placement instead of murmur2",
        patches=(
            Patch(
                "shared/messaging/kafka_settings.py",
                '"partitioner": "murmur2_random"',
                '"partitioner": "consistent_random"',
            ),
        ),
        tests=(_KAFKA_TESTS + "test_every_producer_places_a_key_where_murmur2_says",),
    ),
    Case(
        name="unsent-rows-stay",
        protection="a day of the outbox that holds unsent rows is neither archived nor dropped",
        change="neither the archiver nor the database counts unsent rows",
        patches=(
            Patch("shared/persistence/partitions.py", "        if unsent:\n", "        if False:\n"),
            Patch("shared/persistence/partition_functions.py", "IF unsent > 0 THEN", "IF false THEN"),
        ),
        tests=("shared/tests/db/test_partitions.py::test_unsent_rows_are_neither_archived_nor_dropped",),
    ),
    Case(
        name="one-archiver",
        protection="two processes do not write the file of one day at the same time",
        change="whoever comes second archives as well",
        patches=(Patch("shared/persistence/partitions.py", "        if not taken:", "        if False:"),),
        tests=("shared/tests/db/test_archiving.py::test_one_process_archives_at_a_time",),
    ),
)
