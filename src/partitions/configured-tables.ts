import { PulseError } from '../errors.ts';
import type { PartitionedTableSetting } from '../periods.ts';
import { explainOwnStatement, StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { sql } from '../postgres/sql.ts';
import { type OtherTable, readPartitionedTables } from './catalog.ts';

/**
 * What is configured, by the oid of its table. All of it is looked up before anything is made: a table that was
 * misspelt, or is yet to be converted, would otherwise be missed only when its last partition is full.
 * @throws {PulseError} `not-possible` for a table that is not there or not partitioned by time, or that is named twice.
 */
export async function settingsByOid(
  session: Session,
  configured: readonly PartitionedTableSetting[],
): Promise<{
  readonly byOid: ReadonlyMap<number, PartitionedTableSetting>;
  /** Tables with a trigger that are not partitioned yet. */
  readonly waiting: readonly OtherTable[];
}> {
  const waiting: OtherTable[] = [];
  const byOid = new Map<number, PartitionedTableSetting>();
  for (const setting of configured) {
    const found = await lookedUp(session, setting.table);
    if (found === null)
      throw refused(setting, 'there is no such table', 'correct the name, or name it with its schema');
    if (!found.partitioned) {
      // Its time has not come: partition plan says when.
      if (setting.trigger !== null) {
        waiting.push({ schema: found.schema, name: found.name, why: notYet });
        continue;
      }
      throw refused(
        setting,
        'it is not partitioned',
        'take it out until it is, or say when it is to be: trigger: { rows: 5000000 }; nothing is converted by being named there',
      );
    }
    const before = byOid.get(found.oid);
    if (before !== undefined) {
      throw refused(setting, `it is the same table as ${before.table}`, 'name each table once');
    }
    byOid.set(found.oid, setting);
  }
  const tables = byOid.size === 0 ? [] : await readPartitionedTables(session, [...byOid.keys()]);
  const other = tables.find((table): table is OtherTable => 'why' in table);
  if (other !== undefined) {
    throw refused({ table: other.name }, other.why, 'take it out: only partitions by ranges of time have next ones');
  }
  return { byOid, waiting };
}

const notYet = 'it is not partitioned yet; pulse-migrate partition plan says whether its time has come';

interface Found {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly partitioned: boolean;
}

async function lookedUp(session: Session, name: string): Promise<Found | null> {
  try {
    const [row] = await session.rows<Found & Record<string, unknown>>(
      sql`SELECT c.oid::pg_catalog.int8::pg_catalog.float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS partitioned
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass(${name})::pg_catalog.oid AND c.relkind IN ('r', 'p')`,
    );
    return row ?? null;
  } catch (error) {
    // invalid_name, syntax_error: no name at all.
    if (error instanceof StatementError && ['42602', '42601'].includes(error.sqlstate)) return null;
    throw explainOwnStatement(error, 'looking for a configured table');
  }
}

function refused({ table }: Pick<PartitionedTableSetting, 'table'>, why: string, cure: string): PulseError {
  return new PulseError('not-possible', `partitions in the configuration names ${table}: ${why}`, {
    hint: `${cure}; pulse-migrate partition list shows the tables there are`,
  });
}
