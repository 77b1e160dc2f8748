-- Every row found here is a broken promise: the step is rolled back.
-- The guards are in place.
SELECT wanted FROM unnest(ARRAY['settled_sealed_first', 'settled_sealed']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'seal_shards'::regclass AND tgname = wanted AND tgenabled <> 'D');
