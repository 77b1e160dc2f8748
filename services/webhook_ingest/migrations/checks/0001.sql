-- Every row found here is a broken promise: the step is rolled back.
SELECT privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'webhook_ingest_app' AND table_name = 'deliveries' AND privilege_type NOT IN ('SELECT', 'INSERT');
SELECT privilege_type FROM information_schema.role_table_grants
 WHERE grantee = 'webhook_ingest_app' AND table_name = 'delivery_claims' AND privilege_type IN ('DELETE', 'TRUNCATE');
SELECT wanted FROM unnest(ARRAY['deliveries_keeps_rows', 'deliveries_keeps_all']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
