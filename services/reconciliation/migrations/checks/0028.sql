-- Every row found here is a broken promise: the step is rolled back.
SELECT wanted FROM unnest(ARRAY['sources_no_file_waits']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
