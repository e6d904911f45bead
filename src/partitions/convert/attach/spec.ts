import type { Session } from '../../../postgres/session.ts';
import { ident, raw, sql } from '../../../postgres/sql.ts';
import { boundLiteral } from '../../bounds.ts';
import { type Instant, isoOf } from '../../calendar.ts';
import type { TableName } from '../../catalog.ts';
import { fitted } from '../../leaf-name.ts';
import type { ConversionSpec } from '../conversion.ts';
import { freeNames } from '../leaves.ts';
import { lostKeys } from '../refusals.ts';
import type { SourceFacts } from '../source-facts.ts';
import { withColumn } from '../widen.ts';

/** An index that the table gets besides its own, built while clients go on. */
export interface ExtraIndex {
  readonly name: string;
  /** `USING btree (…) …` */
  readonly using: string;
}

/** A unique key of the table that lacks the partition key. */
export interface AttachKey {
  /** As it is called until the exchange, and from then on. */
  readonly name: string;
  readonly oldName: string;
  readonly constraint: 'p' | 'u' | null;
  /** `DEFERRABLE …` of a constraint, or nothing. */
  readonly timing: string;
  /** The key with the partition key, as the partitioned table asks for it. */
  readonly wide: ExtraIndex;
  /** What holds the key of a primary key from the exchange on: a table has one. Of another key that is the key itself. */
  readonly kept: ExtraIndex | null;
}

/** What is decided of a table that becomes the first partition itself. */
export interface AttachSpec {
  /** ISO 8601, UTC: what lies before is in the table. */
  readonly cutover: string;
  /** The CHECK that proves it, so that nothing is scanned under the lock of the exchange. */
  readonly check: { readonly name: string; readonly condition: string };
  readonly keys: readonly AttachKey[];
}

/** The decisions for the other strategy, with those that make the table itself the first partition. */
export async function attachSpecOf(
  session: Session,
  facts: SourceFacts,
  spec: ConversionSpec,
  cutover: Instant,
): Promise<ConversionSpec> {
  const column = ident(spec.key.column);
  const lost = lostKeys(facts, spec.key.column);
  const [oldName = '', ...names] = await freeNames(session, facts.schema, [
    historyName(facts),
    ...spec.indexes.map(({ name }) => ofHistory(facts.name, name, '')),
    ...lost.flatMap(({ name }) => ['_wide', '_kept'].map((what) => ofHistory(facts.name, name, what))),
  ]);
  const indexes = spec.indexes.map((index, at) => ({ ...index, oldName: names[at] ?? '' }));
  const keys = lost.map(({ name, constraint, definition, using }, at): AttachKey => {
    const [wide = '', kept = ''] = names.slice(indexes.length + 2 * at);
    return {
      name,
      oldName: indexes.find((index) => index.name === name)?.oldName ?? '',
      constraint: constraint === 'x' ? null : constraint,
      timing: constraint === null ? '' : (/(?: NOT)? DEFERRABLE.*$/.exec(definition)?.[0] ?? ''),
      wide: { name: wide, using: withColumn(using, column.text) },
      kept: constraint === 'p' ? { name: kept, using } : null,
    };
  });
  const condition = sql`${column} < ${raw(`${sql`${boundLiteral(spec.key.type, cutover)}`.text}::pg_catalog.${spec.key.type}`)}`;
  return {
    ...spec,
    oldName,
    indexes,
    attach: { cutover: isoOf(cutover), check: { name: 'pulse_migrate_cutover', condition: condition.text }, keys },
  };
}

/** What the table is called as a partition, where nothing else is called so. */
export function historyName({ name }: TableName): string {
  return fitted(name, '_history');
}

/** `commits_sha_idx` of commits is `commits_history_sha_idx` on what was the table. */
function ofHistory(table: string, name: string, what: string): string {
  const rest = name.startsWith(`${table}_`) ? name.slice(table.length) : `_${name}`;
  return fitted(`${table}_history${rest}`, what);
}

/** The facts of the table without what the conversion has put on it. */
export function withoutOwn(facts: SourceFacts, { check, keys }: AttachSpec): SourceFacts {
  const own = new Set(keys.flatMap(({ wide, kept }) => [wide.name, ...(kept === null ? [] : [kept.name])]));
  return {
    ...facts,
    indexes: facts.indexes.filter(({ name }) => !own.has(name)),
    checks: facts.checks.filter(({ name }) => name !== check.name),
  };
}
