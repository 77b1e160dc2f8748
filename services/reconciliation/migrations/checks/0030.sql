-- Every row found here is a broken promise: the step is rolled back.
SELECT table_name || ' ' || privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'reconciliation_app' AND privilege_type NOT IN ('SELECT', 'INSERT')
   AND table_name = 'files_before_orders'
UNION ALL
SELECT 'staged and not kept: ' || file_id FROM report_files AS f
 WHERE state = 'STAGED' AND NOT EXISTS (SELECT FROM files_before_orders AS b WHERE b.file_id = f.file_id)
UNION ALL
SELECT wanted FROM unnest(ARRAY['files_before_orders_keeps_rows']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
