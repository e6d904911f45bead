import { expect } from 'vitest';
import type { TestDatabase } from './database.ts';

/** The kind of the table, its unique keys and foreign keys as the catalog has them. */
export async function shapeOf({ admin }: TestDatabase): Promise<unknown> {
  const [shape] = await admin<{ shape: unknown }>(`SELECT json_build_object('kind', relkind,
  'keys', (SELECT json_agg(conname || ' ' || pg_get_constraintdef(oid) || CASE WHEN convalidated THEN '' ELSE ' NOT VALID' END ORDER BY conname)
           FROM pg_constraint WHERE conrelid = c.oid AND contype IN ('p', 'u', 'f')),
  'triggers', (SELECT json_agg(tgname ORDER BY tgname) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal)) AS shape
FROM pg_class AS c WHERE oid = 'commits'::regclass`);
  return shape?.shape;
}

/** `commits` of `liveTable` as partitions, with --unique widen. */
export const partitioned = {
  kind: 'p',
  keys: [
    'commits_pkey PRIMARY KEY (id, committed_at)',
    'commits_repo_id_fkey FOREIGN KEY (repo_id) REFERENCES repos(id) ON DELETE CASCADE',
    'commits_repo_id_sha_key UNIQUE (repo_id, sha, committed_at)',
  ],
};
/** `commits` of `liveTable` as it was. */
export const plain = {
  kind: 'r',
  keys: [
    'commits_pkey PRIMARY KEY (id)',
    'commits_repo_id_fkey FOREIGN KEY (repo_id) REFERENCES repos(id) ON DELETE CASCADE',
    'commits_repo_id_sha_key UNIQUE (repo_id, sha)',
  ],
  triggers: null,
};

/** Of the latest conversion. */
export async function phaseOf({ admin }: TestDatabase): Promise<string | undefined> {
  const [there] = await admin<{ there: boolean }>(
    "SELECT to_regclass('pulse_migrate.partition_conversion') IS NOT NULL AS there",
  );
  if (there?.there !== true) return undefined;
  const [row] = await admin<{ phase: string }>(
    'SELECT phase FROM pulse_migrate.partition_conversion ORDER BY id DESC LIMIT 1',
  );
  return row?.phase;
}

/** Nothing of a conversion is left but its row. */
export async function expectNothingLeft({ admin }: TestDatabase): Promise<void> {
  expect(
    await admin(`SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relname ~ '_(new|old)_[0-9]+$|^conversion_'
UNION ALL SELECT proname FROM pg_proc WHERE proname ~ '^conversion_'`),
  ).toEqual([]);
}
