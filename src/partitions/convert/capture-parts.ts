import { ident, join, raw } from '../../postgres/sql.ts';
import type { ConversionSpec, partsOf } from './conversion.ts';
import { nameSql, type SourceFacts } from './source-facts.ts';

/**
 * The logs of keys and the functions that write them: as their owner, so that clients need no right on them, and with
 * names that no search_path can turn elsewhere. A row's old and new key, since an update may change it.
 */
export function captureParts(
  facts: SourceFacts,
  spec: ConversionSpec,
  parts: ReturnType<typeof partsOf>,
): readonly string[] {
  const key = [...spec.identifier, ident(spec.key.column).text];
  const columns = join(key.map((name, index) => raw(`${name} AS ${logColumn(index)}`))).text;
  const of = (row: string) => key.map((name) => `${row}.${name}`).join(', ');
  const into = `(${key.map((_, index) => logColumn(index)).join(', ')})`;
  const head = 'RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS';
  const log = (name: string): readonly string[] => [
    `CREATE TABLE ${name} AS SELECT ${columns} FROM ${nameSql(facts)} WITH NO DATA`,
    `ALTER TABLE ${name} ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)`,
    `CREATE INDEX ON ${name} ${into}`,
  ];
  // For each row: on a partitioned table the other kind sees neither a write to a partition nor a cascade (measured).
  const eachRow = (name: string, logged: string) => `CREATE FUNCTION ${name}() ${head} $$
BEGIN
  IF TG_OP <> 'DELETE' THEN INSERT INTO ${logged} ${into} VALUES (${of('NEW')}); END IF;
  IF TG_OP <> 'INSERT' THEN INSERT INTO ${logged} ${into} VALUES (${of('OLD')}); END IF;
  RETURN NULL;
END $$`;
  // With transition tables: measured 4 % on a large INSERT, where a trigger for each row costs 24 %.
  const eachStatement = `CREATE FUNCTION ${parts.capture}() ${head} $$
BEGIN
  IF TG_OP <> 'DELETE' THEN INSERT INTO ${parts.log} ${into} SELECT ${of('n')} FROM pulse_new AS n; END IF;
  IF TG_OP <> 'INSERT' THEN INSERT INTO ${parts.log} ${into} SELECT ${of('o')} FROM pulse_old AS o; END IF;
  RETURN NULL;
END $$`;
  const guard = `CREATE FUNCTION ${parts.guard}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '% cannot be truncated while a conversion of pulse-migrate logs its changes key by key', TG_TABLE_NAME
    USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'use DELETE; or end the conversion first: pulse-migrate partition status';
END $$`;
  return spec.split === undefined
    ? [
        ...log(parts.log),
        ...log(parts.reverseLog),
        eachStatement,
        eachRow(parts.reverseCapture, parts.reverseLog),
        guard,
      ]
    : [...log(parts.log), eachRow(parts.capture, parts.log), guard];
}

/** The columns of a log: those of the primary key, then the partition key. */
export function logColumn(index: number): string {
  return `k${index}`;
}
