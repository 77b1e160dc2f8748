-- Every row found here is a broken promise: the step is rolled back.
-- The application seals notes and takes them from the queue, nothing else.
SELECT table_name, privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'ledger_app'
   AND (table_name = 'note_seals' AND privilege_type NOT IN ('SELECT', 'INSERT')
        OR table_name = 'notes_unsealed' AND privilege_type NOT IN ('SELECT', 'DELETE'));
-- The guards are in place.
SELECT wanted FROM unnest(ARRAY['line_match_queued', 'late_journal_queued', 'adjustment_proposed_queued',
                                'adjustment_decided_queued', 'close_proposed_queued', 'close_decided_queued',
                                'import_begun_queued', 'import_finished_queued', 'notes_sealed_first', 'notes_chained', 'notes_before_journals',
                                'head_fits_notes', 'seal_heads_keeps_notes', 'note_seals_keeps_rows',
                                'note_seals_keeps_all']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
