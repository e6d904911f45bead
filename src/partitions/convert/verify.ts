import { PulseError } from '../../errors.ts';
import { raw, type Sql, sql } from '../../postgres/sql.ts';
import { typedName } from '../shown-name.ts';
import { logColumn } from './capture-parts.ts';
import { type Conversion, partsOf } from './conversion.ts';
import type { Work } from './deps.ts';
import { registryCounts } from './registry.ts';
import { nameSql } from './source-facts.ts';
import { ownBegin } from './under-lock.ts';

/**
 * Compares both tables in one snapshot, row by row through a hash of each, without the rows whose change is still in
 * the log. Every value counts as it is written out.
 * @throws {PulseError} `not-possible` with the first rows that differ; the table is untouched.
 */
export async function verifyCopy(work: Work, conversion: Conversion): Promise<void> {
  const { session } = work;
  const source = nameSql(conversion);
  const target = nameSql({ schema: conversion.schema, name: conversion.spec.newName });
  await session.run(ownBegin(' ISOLATION LEVEL REPEATABLE READ READ ONLY'));
  try {
    const read = (table: string) =>
      session.rows<{ rows: string; sum: string | null }>(sql`SELECT pg_catalog.count(*)::pg_catalog.text AS rows,
  pg_catalog.sum(r.hash)::pg_catalog.text AS sum FROM (${hashes(work, conversion, table)}) AS r`);
    const [[ours], [theirs]] = [await read(`ONLY ${source}`), await read(target)];
    if (ours?.rows === theirs?.rows && ours?.sum === theirs?.sum) {
      await verifyRegistries(work, conversion, target);
      return;
    }
    const differing = await session.rows<{ key: string }>(sql`SELECT d.key FROM (
  (${hashes(work, conversion, `ONLY ${source}`)} EXCEPT ALL ${hashes(work, conversion, target)})
  UNION ALL (${hashes(work, conversion, target)} EXCEPT ALL ${hashes(work, conversion, `ONLY ${source}`)})) AS d LIMIT 3`);
    throw new PulseError(
      'not-possible',
      `${conversion.name}: the copy differs from the table: ${ours?.rows} rows here, ${theirs?.rows} there; first differing keys: ${differing.map(({ key }) => key).join(', ')}`,
      {
        hint: `the table is untouched; end the conversion and report this: pulse-migrate partition abort ${typedName(conversion)}`,
      },
    );
  } finally {
    await session.run('ROLLBACK').catch(() => {});
  }
}

async function verifyRegistries({ session }: Work, conversion: Conversion, target: string): Promise<void> {
  const { name, spec } = conversion;
  for (const registry of spec.registries ?? []) {
    const [counts] = await session.rows<{ wanted: number; held: number }>(registryCounts(target, registry));
    if (counts?.wanted === counts?.held) continue;
    throw new PulseError(
      'not-possible',
      `${name}: ${registry.name} holds ${counts?.held} keys of ${registry.key}, and not ${counts?.wanted}`,
      {
        hint: `the table is untouched; end the conversion and report this: pulse-migrate partition abort ${typedName(conversion)}`,
      },
    );
  }
}

function hashes({ toolSchema }: Work, { id, spec }: Conversion, table: string): Sql {
  const isLogged = spec.identifier
    .map((name, index) => `l.${logColumn(index)} OPERATOR(pg_catalog.=) s.${name}`)
    .join(' AND ');
  return raw(`SELECT ROW(${spec.identifier.map((name) => `s.${name}`).join(', ')})::pg_catalog.text AS key,
  pg_catalog.hashtextextended(ROW(${spec.columns.map((name) => `s.${name}`).join(', ')})::pg_catalog.text, 0) AS hash
FROM ${table} AS s WHERE NOT EXISTS (SELECT FROM ${partsOf(toolSchema, id).log} AS l WHERE ${isLogged})`);
}
