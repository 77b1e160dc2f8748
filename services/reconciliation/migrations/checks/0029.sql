-- Every row found here is a broken promise: the step is rolled back.
SELECT table_name || ' ' || privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'reconciliation_app' AND privilege_type NOT IN ('SELECT', 'INSERT')
   AND table_name IN ('contradicted_files', 'preferred_files')
UNION ALL
SELECT wanted FROM unnest(ARRAY['contradicted_files_keeps_rows', 'preferred_files_keeps_rows',
                                'preferred_files_inserted']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
