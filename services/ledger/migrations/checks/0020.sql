-- Every row found here is a broken promise: the step is rolled back.
SELECT wanted FROM unnest(ARRAY['told_closes_keeps_rows', 'former_seal_keys_keeps_rows', 'head_key_is_new',
                                'close_key_is_new', 'journals_in_open_period', 'late_journals_fit']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
SELECT table_name, privilege_type FROM information_schema.table_privileges
 WHERE table_name IN ('told_closes', 'former_seal_keys') AND grantee = 'ledger_app' AND privilege_type <> 'SELECT';
