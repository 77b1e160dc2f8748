-- Every row found here is a broken promise: the step is rolled back.
SELECT wanted FROM unnest(ARRAY['told_journals_keeps_rows']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled = 'A');
SELECT grantee, privilege_type FROM information_schema.table_privileges
 WHERE table_name = 'told_journals' AND grantee = 'ledger_app' AND privilege_type <> 'SELECT';
