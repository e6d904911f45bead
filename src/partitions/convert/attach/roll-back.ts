import { PulseError } from '../../../errors.ts';
import { ident, join, raw, sql } from '../../../postgres/sql.ts';
import type { TableName } from '../../catalog.ts';
import { typedName } from '../../shown-name.ts';
import { type Conversion, moveOn, readConversion } from '../conversion.ts';
import type { Work } from '../deps.ts';
import { dependentsAgain, locksOf, publicationsAgain, renames } from '../exchange.ts';
import { explainMisfit, lostTrack } from '../failures.ts';
import { assertNoneAdded, inboundOnto, inboundTables, withoutInbound } from '../inbound.ts';
import { ofIdentity } from '../new-table.ts';
import { nameSql, readSourceFacts, type SourceFacts } from '../source-facts.ts';
import { underLock } from '../under-lock.ts';
import type { AttachSpec } from './spec.ts';

/** Rows of other partitions that are brought back under the lock: measured about 50,000 a second with seven indexes. */
const mostUnderLock = 10_000;

/**
 * What was the table takes its place again: it leaves the partitions with all its rows, and those of the others come to
 * them. All in one transaction.
 * @throws {PulseError} `not-possible` where it is no partition any more, where too many rows lie in others, or where these
 * break a unique key that the table has; nothing is changed then.
 */
export async function rollBackAttach(work: Work, conversion: Conversion, attach: AttachSpec): Promise<Conversion> {
  const { session, toolSchema } = work;
  await assertPossible(work, conversion);
  try {
    await underLock(
      work,
      conversion,
      'the exchange of the tables back',
      (attempt) => locksOf(conversion, [nameSql(conversion), ...inboundTables(conversion)], attempt),
      async () => {
        const others = await assertPossible(work, conversion);
        const facts = await readSourceFacts(session, conversion.targetOid, toolSchema);
        if (facts === null) throw lostTrack(conversion);
        const identities = await identitiesAgain(work, conversion);
        await session.run(exchangeBack(conversion, attach, { facts, others, identities }).join(';\n'));
        const moved = await session.rows(moveOn(toolSchema, conversion, sql`phase = 'rolled-back'`));
        if (moved.length === 0) throw lostTrack(conversion);
      },
    );
  } catch (error) {
    throw explainMisfit(error, conversion);
  }
  return readConversion(session, toolSchema, conversion.id);
}

interface Found {
  readonly facts: SourceFacts;
  readonly others: readonly TableName[];
  readonly identities: readonly string[];
}

function exchangeBack(conversion: Conversion, attach: AttachSpec, found: Found): readonly string[] {
  const { schema, name, spec } = conversion;
  const live = nameSql({ schema, name });
  const history = nameSql({ schema, name: spec.oldName });
  // As they are now: a column that the partitioned table got since, its partitions have too.
  const written = found.facts.columns.filter(({ generated }) => !generated);
  const columns = join(written.map((column) => ident(column.name))).text;
  return [
    // DETACH would look for rows that refer to the partition, and there are.
    ...withoutInbound(conversion),
    `ALTER TABLE ${live} DETACH PARTITION ${history}`,
    ...found.others.map(
      (other) => `INSERT INTO ${history} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM ${nameSql(other)}`,
    ),
    // A table with foreign keys that are still to be looked at cannot be altered.
    'SET CONSTRAINTS ALL IMMEDIATE',
    ...found.identities,
    ...attach.keys.flatMap(({ oldName, constraint, timing, wide, kept }) => {
      const own = ident(wide.name).text;
      if (constraint === null) return [`DROP INDEX ${nameSql({ schema, name: wide.name })}`];
      const drop = `ALTER TABLE ${history} DROP CONSTRAINT ${own}`;
      if (kept === null) return [drop];
      return [
        drop,
        `ALTER TABLE ${history} ADD CONSTRAINT ${ident(oldName).text} PRIMARY KEY USING INDEX ${ident(kept.name).text}${timing}`,
      ];
    }),
    ...renames(conversion, 'back'),
    ...inboundOnto(conversion, 'back'),
    ...found.facts.triggers.map(({ definition }) => definition),
    ...dependentsAgain(found.facts),
    ...publicationsAgain(conversion, spec.newName),
  ];
}

/** What gives the identity columns back to the table, counting on where the partitioned one stands comes with the names. */
async function identitiesAgain({ session }: Work, conversion: Conversion): Promise<readonly string[]> {
  const { schema, spec, targetOid } = conversion;
  const history = nameSql({ schema, name: spec.oldName });
  const statements: string[] = [];
  for (const { column, sequence, oldName } of spec.identities) {
    const [row] = await session.rows<{ add: string }>(sql`SELECT pg_catalog.format(
  'ALTER TABLE %s ALTER COLUMN %I ADD GENERATED %s AS IDENTITY (INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s %s)',
  ${history}::pg_catalog.text, a.attname, CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
  s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache, CASE WHEN s.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END) AS add
FROM pg_catalog.pg_attribute AS a, pg_catalog.pg_sequence AS s
WHERE a.attrelid = ${targetOid}::pg_catalog.oid AND a.attname = ${column}
  AND s.seqrelid = pg_catalog.to_regclass(${nameSql(sequence)})::pg_catalog.oid`);
    if (row !== undefined) statements.push(row.add, ofIdentity(history, { column, sequence, newName: oldName }));
  }
  return statements;
}

/** The partitions besides the table itself, whose rows are few enough to be moved under a lock. */
async function assertPossible(work: Work, conversion: Conversion): Promise<readonly TableName[]> {
  const { session } = work;
  await assertNoneAdded(work, conversion);
  const { name, spec, sourceOid, targetOid } = conversion;
  const partitions = await session.rows<TableName & { isHistory: boolean }>(
    sql`SELECT n.nspname AS schema, c.relname AS name, c.oid = ${sourceOid}::pg_catalog.oid AS "isHistory"
FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE i.inhparent = ${targetOid}::pg_catalog.oid ORDER BY c.relname`,
  );
  if (!partitions.some(({ isHistory }) => isHistory)) {
    throw new PulseError('not-possible', `${spec.oldName} is not a partition of ${name} any more`, {
      hint: 'attach it again as it was, then run the command again',
    });
  }
  const others = partitions.filter(({ isHistory }) => !isHistory);
  const counts = others.map(
    ({ schema, name: leaf }) =>
      sql`(SELECT pg_catalog.count(*) FROM (SELECT FROM ${ident(schema, leaf)} LIMIT ${mostUnderLock + 1}) AS l)`,
  );
  const [row] = await session.rows<{ rows: number }>(
    sql`SELECT (${counts.length === 0 ? raw('0') : join(counts, ' + ')})::pg_catalog.float8 AS rows`,
  );
  if ((row?.rows ?? 0) <= mostUnderLock) return others;
  throw new PulseError(
    'not-possible',
    `${name}: more than ${mostUnderLock} rows lie in the new partitions, and to bring them back would hold clients up`,
    {
      hint: `keep the partitions: pulse-migrate partition finish ${typedName(conversion)} --i-know`,
    },
  );
}
