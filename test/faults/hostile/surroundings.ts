/**
 * What a session carries from one statement to the next, in one row: who it is, every setting that was made in it, and
 * all that DISCARD ALL would take away.
 */
export const surroundings = `SELECT
  pg_catalog.current_setting('role') AS role, session_user::text AS login, pg_catalog.current_setting('search_path') AS path,
  (SELECT pg_catalog.string_agg(s.name || '=' || s.setting, ', ' ORDER BY s.name)
   FROM pg_catalog.pg_settings AS s WHERE s.source = 'session' AND s.setting IS DISTINCT FROM s.reset_val) AS settings,
  pg_catalog.current_setting('transaction_isolation') AS isolation,
  pg_catalog.current_setting('transaction_read_only') AS read_only,
  pg_catalog.current_setting('session_replication_role') AS replication,
  COALESCE(pg_catalog.current_setting('pulse.own', true), '') AS own,
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements WHERE name NOT LIKE 'pulse_migrate_%') AS prepared,
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_cursors WHERE name <> '') AS cursors,
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_listening_channels()) AS channels,
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema()) AS temporary,
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks
   WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid()) AS locks`;
