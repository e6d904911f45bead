import { expect } from 'vitest';
import { type TestDatabase, test } from '../../support/database.ts';
import { cleaning, preparation, transactionCases } from '../../support/transaction-statements.ts';

/** The SQLSTATE with which the server answers inside a transaction, or null when it accepts. */
async function answerInTransaction({ admin }: TestDatabase, ...statements: readonly string[]): Promise<string | null> {
  await admin('BEGIN');
  try {
    for (const statement of statements) await admin(statement);
    return null;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  } finally {
    await admin('ROLLBACK');
  }
}

test('the server refuses inside a transaction exactly the statements that the rules name', async ({ database }) => {
  await database.admin(preparation);
  try {
    for (const { sql, rule } of transactionCases) {
      const statement = sql.replaceAll('"current"', `"${database.name}"`);
      const answer = await answerInTransaction(database, statement);
      expect({ statement, refused: answer === '25001', answer }).toEqual({ statement, refused: rule !== null, answer });
    }
  } finally {
    await database.admin(cleaning);
  }
});

test('the server refuses the use of an enum value in the transaction that added it, also for a type made there', async ({
  database,
}) => {
  await database.admin("CREATE TYPE mood AS ENUM ('calm')");
  const added = "ALTER TYPE mood ADD VALUE 'glad'";
  expect(await answerInTransaction(database, added, "SELECT 'glad'::mood")).toBe('55P04');
  expect(await answerInTransaction(database, added, "DO $$ BEGIN PERFORM 'glad'::mood; END $$")).toBe('55P04');
  const sqlFunction = "CREATE FUNCTION f() RETURNS mood LANGUAGE sql AS $$ SELECT 'glad'::mood $$";
  expect(await answerInTransaction(database, added, sqlFunction)).toBe('55P04');
  const otherFunction = "CREATE FUNCTION f() RETURNS mood LANGUAGE plpgsql AS $$ BEGIN RETURN 'glad'; END $$";
  expect(await answerInTransaction(database, added, otherFunction)).toBeNull();
  expect(await answerInTransaction(database, added, "ALTER TYPE mood ADD VALUE 'happy' AFTER 'glad'")).toBeNull();
  expect(await answerInTransaction(database, added, "ALTER TYPE mood RENAME VALUE 'glad' TO 'merry'")).toBeNull();
});
