-- Every row found here is a broken promise: the step is rolled back.
SELECT wanted FROM unnest(ARRAY['report_files_feed', 'report_files_keeps_feed']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D')
UNION ALL
SELECT 'report_files_of_feed' WHERE NOT EXISTS (
    SELECT FROM pg_indexes WHERE tablename = 'report_files' AND indexname = 'report_files_of_feed');
