-- Every row found here is a broken promise: the step is rolled back.
-- The application may begin and finish, nothing else.
SELECT privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'ledger_app' AND table_name = 'imports' AND privilege_type NOT IN ('SELECT', 'INSERT');
-- The guards are in place.
SELECT wanted FROM unnest(ARRAY['import_step', 'journal_imported', 'imports_keeps_rows', 'imports_keeps_all']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
