"""The SQL side of the outbox's daily partitions: made ahead of time, dropped only when nothing is lost."""

from __future__ import annotations

from typing import Final

DAYS_AHEAD: Final = 7

_CREATE_ONE: Final = """
CREATE FUNCTION outbox_create_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  name text := 'outbox_p' || to_char(day, 'YYYYMMDD');
BEGIN
  IF to_regclass(name) IS NOT NULL THEN
    RETURN false;
  END IF;
  -- Built aside and attached: CREATE ... PARTITION OF would lock every writer out of the whole table.
  -- Rows are updated once, when sent; vacuum comes early so that the index of unsent rows stays small.
  EXECUTE format('CREATE TABLE %I (LIKE outbox INCLUDING DEFAULTS INCLUDING CONSTRAINTS) '
                 'WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, '
                 'autovacuum_vacuum_insert_scale_factor = 0.2)', name);
  IF EXISTS (SELECT FROM outbox_default WHERE created_on = day) THEN
    -- This day's partition came too late: bring its rows home, or it could never be attached.
    LOCK TABLE outbox_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('INSERT INTO %I SELECT * FROM outbox_default WHERE created_on = $1', name) USING day;
    DELETE FROM outbox_default WHERE created_on = day;
  END IF;
  EXECUTE format('ALTER TABLE outbox ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, day, day + 1);
  RETURN true;
END
$$
"""

_CREATE_MANY: Final = """
CREATE FUNCTION outbox_create_partitions(first_day date, days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  made integer := 0;
  day date;
BEGIN
  IF days NOT BETWEEN 1 AND 100 OR first_day NOT BETWEEN current_date - 2 AND current_date + 100 THEN
    RAISE EXCEPTION 'refusing % partitions from %', days, first_day USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('outbox partitions'));
  FOR day IN
    SELECT generate_series(first_day, first_day + days - 1, interval '1 day')::date
    UNION
    SELECT DISTINCT created_on FROM outbox_default
     ORDER BY 1
  LOOP
    IF outbox_create_partition(day) THEN
      made := made + 1;
    END IF;
  END LOOP;
  RETURN made;
END
$$
"""

# The second check of what partitions.py has checked: whoever calls this, unsent or unarchived rows stay.
_DROP: Final = """
CREATE FUNCTION outbox_drop_partition(name text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  archived outbox_archives;
  unsent bigint;
  present bigint;
  first_present bigint;
  last_present bigint;
BEGIN
  IF name !~ '^outbox_p[0-9]{8}$' THEN
    RAISE EXCEPTION '% is not a daily partition', name USING ERRCODE = 'invalid_parameter_value';
  END IF;
  SELECT * INTO archived FROM outbox_archives WHERE partition_name = name FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION '% is not archived', name USING ERRCODE = 'restrict_violation';
  END IF;
  EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', name);
  EXECUTE format('SELECT count(*) FILTER (WHERE sent_at IS NULL), count(*), min(position), max(position) '
                 'FROM %I', name) INTO unsent, present, first_present, last_present;
  IF unsent > 0 THEN
    RAISE EXCEPTION '% holds % unsent rows', name, unsent USING ERRCODE = 'restrict_violation';
  END IF;
  IF (present, first_present, last_present)
     IS DISTINCT FROM (archived.rows, archived.first_position, archived.last_position) THEN
    RAISE EXCEPTION '% holds rows that its archive lacks', name USING ERRCODE = 'restrict_violation';
  END IF;
  EXECUTE format('ALTER TABLE outbox DETACH PARTITION %I', name);
  EXECUTE format('DROP TABLE %I', name);
  UPDATE outbox_archives SET dropped_at = now() WHERE partition_name = name;
END
$$
"""

CREATE_V1: Final = (
    "CREATE TABLE outbox_default PARTITION OF outbox DEFAULT",
    _CREATE_ONE,
    _CREATE_MANY,
    _DROP,
    f"SELECT outbox_create_partitions(current_date, {DAYS_AHEAD})",
)
