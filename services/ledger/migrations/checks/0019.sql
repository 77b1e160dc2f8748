-- Every row found here is a broken promise: the step is rolled back.
-- The guards are in place.
SELECT wanted FROM unnest(ARRAY['import_proposed_queued', 'import_decided_queued']) AS wanted
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled <> 'D');
-- Nobody's word about a file waits for a place that it has not.
SELECT import_id FROM import_proposals p
 WHERE NOT EXISTS (SELECT FROM notes_unsealed q WHERE q.kind = 'import_proposed' AND q.key = p.import_id);
