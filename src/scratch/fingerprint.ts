import { createHash } from 'node:crypto';
import type { Session } from '../postgres/session.ts';
import { join, sql } from '../postgres/sql.ts';
import { fingerprintQuery } from './fingerprint-query.ts';

/**
 * What one database consists of, in words that do not depend on when or where it was made. Keys read
 * `table public.users`, `column public.users.email`, `owner of …`, `grants on …`, `comment on …`, `label on …`.
 */
export interface CatalogFingerprint {
  /** SHA-256 in hex of `objects`. */
  readonly hash: string;
  readonly objects: ReadonlyMap<string, string>;
}

/** What differs between two fingerprints; each list is sorted by object. */
export interface FingerprintDifference {
  readonly added: string[];
  readonly removed: string[];
  readonly changed: { readonly object: string; readonly before: string; readonly after: string }[];
}

interface DescribedObject {
  readonly object: string;
  readonly definition: string;
  readonly owner: string | null;
  readonly grants: string | null;
  readonly comment: string | null;
  readonly label: string | null;
}

/** The settings that decide how the server spells a definition: qualified or not, and dates, numbers and money in constants. */
const settingsOfQuery = {
  search_path: '',
  quote_all_identifiers: 'off',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1',
  lc_monetary: 'C',
  // A large query over small catalogs: compiling it would take longer than running it.
  jit: 'off',
} as const;

/**
 * Describes everything users made in the session's database. Left out are the server's own schemas, temporary
 * objects, members of extensions, what is in `excludeSchemas`, data (the position of sequences too), and what belongs
 * to the whole cluster: roles, tablespaces. May be called inside a transaction, whose settings are put back.
 * @throws what `Session.rows` throws.
 */
export async function catalogFingerprint(
  session: Pick<Session, 'rows'>,
  options: { readonly excludeSchemas: readonly string[] },
): Promise<CatalogFingerprint> {
  const names = Object.keys(settingsOfQuery);
  const before = await session.rows<{ name: string; value: string }>(
    sql`SELECT name, pg_catalog.current_setting(name) AS value FROM pg_catalog.unnest(${names}) AS name`,
  );
  // One message: outside a transaction the settings end with it. One query: a single snapshot of the catalog.
  const rows = await session.rows<DescribedObject>(
    join([setLocally(Object.entries(settingsOfQuery)), fingerprintQuery(options.excludeSchemas)], ';\n'),
  );
  await session.rows(setLocally(before.map(({ name, value }) => [name, value])));

  const objects = new Map(rows.flatMap(entriesOf).sort(([a], [b]) => (a < b ? -1 : 1)));
  const hash = createHash('sha256')
    .update(JSON.stringify([...objects]))
    .digest('hex');
  return { hash, objects };
}

/** Compares two fingerprints taken on servers of one major version: others spell the same definition differently. */
export function compareFingerprints(before: CatalogFingerprint, after: CatalogFingerprint): FingerprintDifference {
  const added = [...after.objects.keys()].filter((object) => !before.objects.has(object));
  const removed = [...before.objects.keys()].filter((object) => !after.objects.has(object));
  const changed: { object: string; before: string; after: string }[] = [];
  for (const [object, definition] of before.objects) {
    const now = after.objects.get(object);
    if (now !== undefined && now !== definition) changed.push({ object, before: definition, after: now });
  }
  return { added, removed, changed };
}

function setLocally(settings: readonly (readonly [string, string])[]) {
  return sql`SELECT ${join(settings.map(([name, value]) => sql`pg_catalog.set_config(${name}, ${value}, true)`))}`;
}

function entriesOf(row: DescribedObject): [string, string][] {
  const entries: [string, string | null][] = [
    [row.object, row.definition],
    [`owner of ${row.object}`, row.owner],
    [`grants on ${row.object}`, row.grants],
    [`comment on ${row.object}`, row.comment],
    [`label on ${row.object}`, row.label],
  ];
  return entries.filter((entry): entry is [string, string] => entry[1] !== null);
}
