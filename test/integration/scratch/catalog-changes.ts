/** What a change does to the objects of `everyKindOfObject`: `+` added, `-` removed, `~` changed. */
export const catalogChanges: readonly { readonly change: string; readonly differences: readonly string[] }[] = [
  {
    change: `COMMENT ON COLUMN app.people.email IS 'Where to write'`,
    differences: ['+ comment on column app.people.email'],
  },
  { change: `COMMENT ON SCHEMA app IS NULL`, differences: ['- comment on schema app'] },
  {
    change: `COMMENT ON CONSTRAINT notes_body_check ON app.notes IS 'Not empty'`,
    differences: ['+ comment on table constraint notes_body_check on app.notes'],
  },
  { change: `GRANT SELECT ON app.people TO someone`, differences: ['+ grants on table app.people'] },
  { change: `GRANT UPDATE (email) ON app.people TO someone`, differences: ['+ grants on column app.people.email'] },
  {
    change: `REVOKE EXECUTE ON FUNCTION app.double(integer) FROM public`,
    differences: ['+ grants on function app.double(integer)'],
  },
  { change: `GRANT USAGE ON SEQUENCE app.tickets TO someone`, differences: ['+ grants on sequence app.tickets'] },
  { change: `GRANT USAGE ON SCHEMA app TO someone`, differences: ['+ grants on schema app'] },
  {
    change: `ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT INSERT ON TABLES TO someone`,
    differences: ['~ default acl for role postgres in schema app on tables'],
  },
  { change: `ALTER TABLE app.notes OWNER TO someone`, differences: ['~ owner of table app.notes'] },
  { change: `ALTER TYPE app.mood OWNER TO someone`, differences: ['~ owner of type app.mood'] },

  {
    change: `ALTER TABLE app.people ALTER joined SET DEFAULT '2026-01-01 01:00:00+00'`,
    differences: ['~ column app.people.joined'],
  },
  { change: `ALTER TABLE app.people ALTER email DROP NOT NULL`, differences: ['~ column app.people.email'] },
  { change: `ALTER TABLE app.people ALTER pause TYPE interval(3)`, differences: ['~ column app.people.pause'] },
  { change: `ALTER TABLE app.people ALTER id SET GENERATED ALWAYS`, differences: ['~ column app.people.id'] },
  { change: `ALTER TABLE app.people ALTER shout DROP EXPRESSION`, differences: ['~ column app.people.shout'] },
  {
    change: `ALTER TABLE app.events ALTER what TYPE text COLLATE app.by_code`,
    differences: ['~ column app.events.what', '~ column app.events_2026.what'],
  },
  { change: `ALTER TABLE app.notes ALTER body SET STORAGE EXTERNAL`, differences: ['~ column app.notes.body'] },
  { change: `ALTER TABLE app.notes ALTER body SET COMPRESSION pglz`, differences: ['~ column app.notes.body'] },
  { change: `ALTER TABLE app.notes ALTER body SET STATISTICS 7`, differences: ['~ column app.notes.body'] },
  { change: `ALTER TABLE app.people ALTER mood SET (n_distinct = 3)`, differences: ['~ column app.people.mood'] },
  // The dropped column comes back at the end: its right neighbour has a new left neighbour, and so has it.
  {
    change: `ALTER TABLE app.people DROP pause; ALTER TABLE app.people ADD pause interval DEFAULT '1 day 02:00:00'`,
    differences: ['~ column app.people.pause', '~ column app.people.score'],
  },
  { change: `ALTER TABLE app.notes ADD extra text; ALTER TABLE app.notes DROP extra`, differences: [] },

  { change: `ALTER TABLE app.notes SET UNLOGGED`, differences: ['~ table app.notes'] },
  { change: `ALTER TABLE app.notes SET (fillfactor = 70)`, differences: ['~ table app.notes'] },
  { change: `ALTER TABLE app.notes SET (toast.autovacuum_enabled = off)`, differences: ['~ table app.notes'] },
  { change: `ALTER TABLE app.notes REPLICA IDENTITY FULL`, differences: ['~ table app.notes'] },
  { change: `ALTER TABLE app.people ENABLE ROW LEVEL SECURITY`, differences: ['~ table app.people'] },
  { change: `ALTER TABLE app.people FORCE ROW LEVEL SECURITY`, differences: ['~ table app.people'] },
  {
    change: `ALTER POLICY people_read ON app.people USING (score > 11)`,
    differences: ['~ policy people_read on app.people'],
  },
  { change: `ALTER POLICY people_read ON app.people TO someone`, differences: ['~ policy people_read on app.people'] },
  {
    change: `CREATE OR REPLACE VIEW app.happy AS SELECT id, email FROM app.people WHERE mood = 'ok'`,
    differences: ['~ view app.happy'],
  },
  { change: `ALTER VIEW app.happy SET (security_barrier = on)`, differences: ['~ view app.happy'] },
  { change: `REFRESH MATERIALIZED VIEW app.counts WITH NO DATA`, differences: ['~ materialized view app.counts'] },
  { change: `ALTER FOREIGN TABLE app.remote OPTIONS (SET name 'here')`, differences: ['~ foreign table app.remote'] },
  { change: `ALTER SEQUENCE app.tickets INCREMENT 2`, differences: ['~ sequence app.tickets'] },
  { change: `ALTER SEQUENCE app.tickets OWNED BY app.notes.id`, differences: ['~ sequence app.tickets'] },

  {
    change: `ALTER TABLE app.notes DROP CONSTRAINT notes_body_check, ADD CONSTRAINT notes_body_check CHECK (body <> '') NOT VALID`,
    differences: ['~ table constraint notes_body_check on app.notes'],
  },
  {
    change: `ALTER TABLE app.notes ALTER CONSTRAINT notes_person_fkey DEFERRABLE INITIALLY DEFERRED`,
    differences: ['~ table constraint notes_person_fkey on app.notes'],
  },
  {
    change: `ALTER TABLE app.notes DISABLE TRIGGER ALL`,
    differences: ['~ table constraint notes_person_fkey on app.notes'],
  },
  {
    change: `ALTER DOMAIN app.percent DROP CONSTRAINT percent_range`,
    differences: ['- domain constraint percent_range on app.percent'],
  },

  { change: `CREATE INDEX notes_body ON app.notes (body)`, differences: ['+ index app.notes_body'] },
  {
    change: `DROP INDEX app.people_mood; CREATE INDEX people_mood ON app.people (mood, joined) WHERE score > 50`,
    differences: ['~ index app.people_mood'],
  },
  {
    change: `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.people_mood'::regclass`,
    differences: ['~ index app.people_mood'],
  },
  { change: `ALTER TABLE app.people CLUSTER ON people_pkey`, differences: ['~ index app.people_pkey'] },
  {
    change: `ALTER TABLE app.people REPLICA IDENTITY USING INDEX people_email_key`,
    differences: ['~ index app.people_email_key', '~ table app.people'],
  },
  {
    change: `ALTER TABLE app.people DISABLE TRIGGER people_touch`,
    differences: ['~ trigger people_touch on app.people'],
  },
  {
    change: `CREATE OR REPLACE TRIGGER people_touch BEFORE INSERT ON app.people FOR EACH ROW EXECUTE FUNCTION app.touch()`,
    differences: ['~ trigger people_touch on app.people'],
  },
  {
    change: `CREATE OR REPLACE RULE notes_keep AS ON DELETE TO app.notes DO ALSO NOTHING`,
    differences: ['~ rule notes_keep on app.notes'],
  },
  {
    change: `ALTER STATISTICS app.people_mood_score SET STATISTICS 9`,
    differences: ['~ statistics object app.people_mood_score'],
  },

  { change: `ALTER TYPE app.mood ADD VALUE 'angry' BEFORE 'ok'`, differences: ['~ type app.mood'] },
  { change: `ALTER DOMAIN app.percent SET DEFAULT 1`, differences: ['~ type app.percent'] },
  { change: `ALTER TYPE app.address ADD ATTRIBUTE country text`, differences: ['+ column app.address.country'] },
  {
    change: `CREATE OR REPLACE FUNCTION app.double(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n + n'`,
    differences: ['~ function app.double(integer)'],
  },
  {
    change: `ALTER FUNCTION app.double(integer) SET search_path = ''`,
    differences: ['~ function app.double(integer)'],
  },
  {
    change: `CREATE OR REPLACE AGGREGATE app.total(integer) (sfunc = pg_catalog.int4pl, stype = integer, initcond = '1')`,
    differences: ['~ aggregate app.total(integer)'],
  },
  {
    change: `ALTER OPERATOR app.=== (integer, integer) SET (restrict = pg_catalog.eqsel)`,
    differences: ['~ operator app.===(integer,integer)'],
  },
  {
    change: `DROP CAST (integer AS app.mood); CREATE CAST (integer AS app.mood) WITH FUNCTION app.mood_of(integer) AS ASSIGNMENT`,
    differences: ['~ cast (integer AS app.mood)'],
  },
  {
    change: `ALTER TEXT SEARCH CONFIGURATION app.search ADD MAPPING FOR email WITH app.words`,
    differences: ['~ text search configuration app.search'],
  },
  {
    change: `ALTER TEXT SEARCH DICTIONARY app.words (accept = false)`,
    differences: ['~ text search dictionary app.words'],
  },

  { change: `ALTER SERVER elsewhere OPTIONS (SET host 'other')`, differences: ['~ server elsewhere'] },
  { change: `ALTER PUBLICATION changes SET (publish = 'insert')`, differences: ['~ publication changes'] },
  {
    change: `ALTER PUBLICATION changes SET TABLE app.outgoing (id) WHERE (id > 0)`,
    differences: ['~ publication changes'],
  },
  { change: `ALTER EVENT TRIGGER watcher DISABLE`, differences: ['~ event trigger watcher'] },
  {
    change: `ALTER TABLE app.events DETACH PARTITION app.events_2026`,
    differences: [
      '~ column app.events_2026.at',
      '~ column app.events_2026.what',
      '~ index app.events_2026_at_idx',
      '~ table app.events_2026',
    ],
  },
  { change: `ALTER TYPE app.span OWNER TO someone`, differences: ['~ owner of type app.span'] },
  {
    change: `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''8MB''', current_database()); END $$`,
    differences: ['~ database'],
  },
  // Only here, where it is rolled back: a database with a subscription cannot be dropped.
  {
    change: `CREATE SUBSCRIPTION upstream CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE)`,
    differences: ['+ owner of subscription upstream', '+ subscription upstream'],
  },
];
