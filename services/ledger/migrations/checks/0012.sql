-- Every row found here is a broken promise: the step is rolled back.
-- The application adds to the entries and reads them, through the one table; on a partition it may do nothing.
SELECT table_name, privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'ledger_app' AND (table_name = 'entries' AND privilege_type NOT IN ('SELECT', 'INSERT')
       OR table_name ~ '^entries_p[0-9]{6}$');
-- The guards are in place, on the table and on each partition, and always fire.
SELECT c.relname, wanted FROM pg_class c, unnest(ARRAY['entries_fit', 'entries_keeps_rows', 'entries_keeps_all']) AS wanted
 WHERE c.relkind IN ('r', 'p') AND c.relname ~ '^entries(_p[0-9]{6})?$'
   AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = wanted
                      AND t.tgenabled = CASE wanted WHEN 'entries_fit' THEN 'O'::"char" ELSE 'A'::"char" END);
-- The check of each journal at COMMIT is not planned anew for each.
SELECT proname FROM pg_proc WHERE proname = 'journal_balanced'
   AND NOT coalesce(proconfig, '{}') @> ARRAY['plan_cache_mode=force_generic_plan'];
