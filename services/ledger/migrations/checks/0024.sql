-- Every row found here is a broken promise: the step is rolled back.
-- The guards are in place.
SELECT wanted FROM unnest(ARRAY['exchange_rates_fit', 'exchange_rate_queued']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
