import { PulseError } from '../../errors.ts';
import { StatementError } from '../../postgres/errors.ts';
import { ident, sql } from '../../postgres/sql.ts';
import type { TableName } from '../catalog.ts';
import { typedName } from '../shown-name.ts';
import { type Conversion, type ConversionSpec, conversionTable, readConversion } from './conversion.ts';
import type { Work } from './deps.ts';
import { nameSql } from './source-facts.ts';
import { ownBegin } from './under-lock.ts';

/** What a conversion is to be, and the statements that make what it needs beside the table. */
export interface Decided {
  readonly spec: ConversionSpec;
  readonly statements: readonly string[];
}

/**
 * The row of a new conversion and what it is made of, in one transaction. `decide` is given the number of the row, and
 * may ask the server within that transaction.
 * @throws {PulseError} `not-possible` where the table is being converted already.
 */
export async function recordConversion(
  { session, toolSchema, toolVersion }: Work,
  source: TableName & { readonly oid: number },
  decide: (id: number) => Promise<Decided>,
): Promise<Conversion> {
  const table = ident(toolSchema, conversionTable);
  try {
    await session.run(ownBegin());
    const [row] = await session.rows<{
      id: number;
    }>(sql`INSERT INTO ${table} (source_oid, schema_name, table_name, phase, spec, tool_version)
VALUES (${source.oid}, ${source.schema}, ${source.name}, 'prepared', '{}', ${toolVersion}) RETURNING id::pg_catalog.float8 AS id`);
    const id = row?.id ?? 0;
    const { spec, statements } = await decide(id);
    await session.run(statements.join(';\n'));
    const target = nameSql({ schema: source.schema, name: spec.newName });
    await session.run(
      sql`UPDATE ${table} SET spec = ${JSON.stringify(spec)}, target_oid = ${target}::pg_catalog.regclass::pg_catalog.oid WHERE id = ${id}; COMMIT`
        .text,
    );
    return await readConversion(session, toolSchema, id);
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    if (
      error instanceof StatementError &&
      error.sqlstate === '23505' &&
      error.constraint === 'partition_conversion_one_idx'
    ) {
      throw new PulseError('not-possible', `${source.name} is being converted already`, {
        hint: `pulse-migrate partition resume ${typedName(source)}`,
      });
    }
    throw error;
  }
}
