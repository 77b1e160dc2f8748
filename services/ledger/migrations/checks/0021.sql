-- Every row found here is a broken promise: the step is rolled back.
-- The guards are in place.
SELECT wanted FROM unnest(ARRAY['withdrawn_proposal_queued', 'told_journal_queued', 'told_close_queued',
                                'former_seal_key_queued']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
-- Nothing waits for a place that it has not.
SELECT asked_event_id FROM withdrawn_proposals p
 WHERE NOT EXISTS (SELECT FROM notes_unsealed q WHERE q.kind = 'withdrawn_proposal' AND q.key = p.asked_event_id);
SELECT journal_id FROM told_journals t
 WHERE NOT EXISTS (SELECT FROM notes_unsealed q WHERE q.kind = 'told_journal' AND q.key = t.journal_id);
