"""Sabotage of consumer and inbox: an event is applied once, in order, and never lost."""

from typing import Final

from tools.sabotage.case import Case, Patch

_INBOX = "shared/messaging/inbox.py"
_TESTS = "shared/tests/db/test_consumer.py::"
_REFUSED_TESTS = "services/ledger/tests/db/test_refused_events.py::"
_CONTRACT_TESTS = "tests/contract/test_catalogue.py::"
_REFUSALS_TESTS = "shared/tests/db/test_refused_by_the_database.py::"
_OPERATIONS_TESTS = "shared/tests/db/test_operations.py::"
_REVOKED_TESTS = "shared/tests/unit/test_kafka_revocation.py::"

CONSUMING: Final = (
    Case(
        name="inbox-check",
        protection="an event that the inbox knows is not applied again",
        change="the inbox is not asked",
        patches=(
            Patch(_INBOX, "            known = hashes.get(arrival.event_id)\n", "            known = None\n"),
        ),
        tests=(
            _TESTS + "test_without_order_a_record_has_one_effect_in_one_batch_and_across_batches",
            _TESTS + "test_without_order_only_the_poison_record_is_parked",
        ),
    ),
    Case(
        name="decoder-in-turn",
        protection="threads that meet their first events at once do not read through half-made decoders",
        change="decoders are made side by side",
        patches=(Patch("schemas/catalogue.py", "    with _making:\n", "    if _making:\n"),),
        tests=("tests/contract/test_catalogue.py::test_one_decoder_is_made_at_a_time",),
    ),
    Case(
        name="amount-read-in-bounds",
        protection="no service reads an event whose amount nobody may state; its key is parked with a stable code",
        change="readers take any whole number for an amount",
        patches=(
            Patch(
                "schemas/generated.py",
                "AmountMinor = Annotated[int, msgspec.Meta(ge=1, le=9007199254740991)]",
                "AmountMinor = int",
            ),
        ),
        tests=(
            "tests/contract/test_money.py::test_no_event_of_any_topic_is_read_with_an_amount_beyond_its_bounds",
            _REFUSED_TESTS + "test_an_amount_beyond_what_can_be_stored_parks_its_payment_and_no_other",
        ),
    ),
    Case(
        name="currency-read-known",
        protection="no service reads an event in a currency that nobody can count; its key is parked, the rest goes on",
        change="readers take any text for a currency",
        patches=(
            Patch(
                "schemas/generated.py",
                "Currency = Literal[tuple(sorted(known.code for known in iso4217.Currency if known.exponent "
                "is not None))]",
                "Currency = str",
            ),
        ),
        tests=(
            "tests/contract/test_money.py::test_no_event_of_any_topic_is_read_in_a_currency_that_nobody_can_count",
            _REFUSED_TESTS + "test_a_currency_that_nobody_can_count_parks_its_payment_and_no_other",
        ),
    ),
    Case(
        name="version-check",
        protection="a version that was applied is not applied again, under whatever event id",
        change="the last applied version may come once more",
        patches=(
            Patch(
                _INBOX,
                "if version <= last:\n            self._step(arrival",
                "if version < last:\n            self._step(arrival",
            ),
        ),
        tests=(_TESTS + "test_another_event_under_an_applied_version_is_a_conflict",),
    ),
    Case(
        name="version-taken-back",
        protection="the version of a new stream is what was applied of it, not what was hoped",
        change="new streams are left at the version that their rows were made with",
        patches=(
            Patch(
                "shared/messaging/inbox_store.py",
                "final = {**dict.fromkeys(state.written, 0), **versions}",
                "final = versions",
            ),
        ),
        tests=(_TESTS + "test_a_new_key_stands_where_it_is_when_its_first_record_is_refused",),
    ),
    Case(
        name="held-row-waits",
        protection="a consumer outlasts a stopped process that holds its rows",
        change="a lock timeout counts as the record's own failure",
        patches=(
            Patch(
                "shared/persistence/commit_lookup.py",
                '_AWAY: Final = ("08", "53", "57P", "55P03")',
                '_AWAY: Final = ("08", "53", "57P")',
            ),
        ),
        tests=(_TESTS + "test_a_key_that_a_stopped_process_holds_is_waited_for",),
    ),
    Case(
        name="held-row-rests",
        protection="a worker outlasts a stopped process that holds its rows",
        change="what it cannot have now ends its process",
        patches=(
            Patch(
                "shared/runtime/roles.py",
                "            if not (isinstance(error, CommitUnknown) or is_unavailable(error)):",
                "            if not isinstance(error, CommitUnknown):",
            ),
        ),
        tests=(
            "services/payment/tests/db/test_looking_again.py::test_a_worker_outlasts_whoever_holds_its_rows",
        ),
    ),
    Case(
        name="gap-check",
        protection="a gap in a stream's versions waits; nothing is applied past it",
        change="any higher version is applied",
        patches=(
            Patch(
                _INBOX,
                "elif version > last + 1:\n            self._parked[stream] = Parked(GAP",
                "elif False:\n            self._parked[stream] = Parked(GAP",
            ),
        ),
        tests=(_TESTS + "test_a_gap_waits_and_heals_in_order_when_the_missing_version_comes",),
    ),
    Case(
        name="poison-parks-its-key",
        protection="what comes after a poison event of its key waits behind it",
        change="the poison event is set aside for a retry and the key goes on",
        patches=(
            Patch(
                _INBOX,
                "        self._parked[arrival.stream] = parked\n        step = Step(",
                "        if versioned and arrival.stream_version:\n"
                "            self._versions[arrival.stream] = arrival.stream_version\n"
                "        step = Step(",
            ),
        ),
        tests=(_TESTS + "test_poison_parks_only_its_key_and_tells_of_it_once",),
    ),
    Case(
        name="payload-hash",
        protection="the same event id with another payload is quarantined",
        change="an event id that is known counts as a duplicate, whatever it carries",
        patches=(Patch(_INBOX, "same = known == arrival.payload_sha256\n", "same = True\n"),),
        tests=(_TESTS + "test_the_same_id_with_other_bytes_is_quarantined_and_changes_nothing",),
    ),
    Case(
        name="commit-before-offset",
        protection="an offset is committed after the database",
        change="the offset is committed before the records are applied",
        patches=(
            Patch(
                "shared/messaging/consumer.py",
                "        try:\n            self._processor.process(records, done)\n",
                "        self._commit(consumer, records)\n"
                "        try:\n            self._processor.process(records, done)\n",
            ),
        ),
        tests=(_TESTS + "test_offsets_are_committed_only_after_the_database",),
    ),
    Case(
        name="commit-unwaited",
        protection="a consumer waits for no broker's answer about offsets, which may never come",
        change="each commit waits",
        patches=(
            Patch(
                "shared/messaging/kafka.py",
                "self._consumer.commit(offsets=native, asynchronous=True)",
                "self._consumer.commit(offsets=native, asynchronous=False)",
            ),
        ),
        tests=(_REVOKED_TESTS + "test_no_offset_is_committed_for_a_partition_that_was_taken",),
    ),
    Case(
        name="commit-refused-for-good",
        protection="a consumer whose offsets are refused for good ends, instead of reading on for nothing",
        change="every refusal counts as one that passes",
        patches=(
            Patch(
                "shared/messaging/kafka.py",
                "                self._refused = str(failure)\n",
                "                pass\n",
            ),
        ),
        tests=(_REVOKED_TESTS + "test_a_commit_that_never_can_succeed_ends_the_member_at_its_next_poll",),
    ),
    Case(
        name="commit-failure-told",
        protection="offsets that were not committed are told, once",
        change="nobody notes what the client reports",
        patches=(
            Patch(
                "shared/messaging/kafka.py",
                "        self._commit_failures += [str(failure) for failure in failures[:1]]\n",
                "",
            ),
        ),
        tests=(_REVOKED_TESTS + "test_a_commit_that_missed_is_told_once_and_the_records_come_again",),
    ),
    Case(
        name="revoked-partition",
        protection="nothing is applied or committed for a partition that a rebalance took away",
        change="the consumer does not note what was taken",
        patches=(
            Patch(
                "shared/messaging/kafka.py",
                "        tell(leaving)\n        self._held -= leaving\n        self._gone |= leaving\n",
                "        tell(leaving)\n",
            ),
        ),
        tests=(
            _REVOKED_TESTS
            + "test_a_record_whose_partition_was_taken_within_the_same_poll_is_left_to_the_new_owner",
            _REVOKED_TESTS + "test_no_offset_is_committed_for_a_partition_that_was_taken",
        ),
    ),
    Case(
        name="refill-alone",
        protection="a consumer takes its refill only while no other process of it consumes",
        change="the broker is asked after the reading alone",
        patches=(
            Patch(
                "shared/runtime/operations.py",
                '            refill.rewind_live_group()\n            crash_point("take_refill.before_history")\n',
                '            crash_point("take_refill.before_history")\n',
            ),
        ),
        tests=("shared/tests/db/test_refill.py::test_a_refill_is_not_taken_beside_members_at_work",),
    ),
    Case(
        name="refused-by-the-database",
        protection="a record that the database refuses parks its own key; the consumer goes on with the others",
        change="a refusal ends the process",
        patches=(
            Patch(
                "shared/messaging/processing.py",
                "            if done and done[0].applied_ids and is_refusal(error):\n",
                "            if False:\n",
            ),
        ),
        tests=(
            _REFUSALS_TESTS + "test_it_parks_its_own_key_only_and_says_what_was_refused",
            _REFUSALS_TESTS + "test_in_a_queue_that_is_healed_the_right_record_is_blamed",
        ),
    ),
    Case(
        name="announces-what-may-be",
        protection="what makes its consumer announce something that no contract allows parks its key, the rest goes on",
        change="it is a failure like any other, and ends the process",
        patches=(
            Patch(
                "shared/messaging/processing.py",
                "                raise blame(done[0].applied_ids, poison_of(broken)) from broken\n",
                "                raise\n",
            ),
        ),
        tests=(
            _REFUSED_TESTS + "test_what_could_not_be_announced_parks_its_payment_and_no_other",
            _TESTS + "test_poison_found_while_the_batch_is_written_parks_its_own_key_only",
        ),
    ),
    Case(
        name="text-not-storable",
        protection="no service reads an event with text that no database stores; its key is parked, the rest goes on",
        change="NUL is read like any text",
        patches=(Patch("schemas/catalogue.py", "    if _ESCAPED_NUL in payload and", "    if False and"),),
        tests=(
            _REFUSED_TESTS + "test_what_the_books_cannot_store_parks_its_payment_and_no_other",
            _CONTRACT_TESTS + "test_a_reader_refuses_text_that_no_database_can_store_and_says_where",
        ),
    ),
    Case(
        name="redrive-goes-on",
        protection="a redrive that finds more poison than a turn takes goes on behind it, and the consumer lives",
        change="each turn begins anew",
        patches=(
            Patch(
                "shared/messaging/processing.py",
                "        self._still_poison[stream] = poisoned\n        self._observer",
                "        self._observer",
            ),
        ),
        tests=(_TESTS + "test_a_redrive_finds_more_poison_than_a_turn_takes_and_goes_on_behind_it",),
    ),
    Case(
        name="redrive-tries-everything",
        protection="a redrive that is asked for anew tries everything again, whatever an earlier one had found",
        change="what was poison once stays so while the process lives",
        patches=(Patch("shared/messaging/consumer.py", "        self._processor.forget_but(due)\n", ""),),
        tests=(_TESTS + "test_what_a_turn_found_to_be_poison_is_forgotten_once_nobody_asks_any_more",),
    ),
    Case(
        name="parked-list-whole",
        protection="the list of what is parked goes on behind its page, whatever else stands since the same moment",
        change="the page after it begins behind that moment",
        patches=(
            Patch(
                "shared/messaging/parked.py",
                "(since, topic, key) > (CAST(:at AS timestamptz), :topic, :key)",
                "since > CAST(:at AS timestamptz) AND :topic <> :key",
            ),
        ),
        tests=(
            _OPERATIONS_TESTS + "test_all_that_is_parked_is_listed_however_much_it_is",
            _OPERATIONS_TESTS + "test_pages_of_what_is_parked_go_on_where_the_last_one_ended",
        ),
    ),
)
