import { describe, expect, test } from 'vitest';
import { splitStatements } from '../../../src/migrations/splitter.ts';
import { cannotRunInTransaction, transactionConflicts } from '../../../src/migrations/transaction-rules.ts';
import { transactionCases } from '../../support/transaction-statements.ts';

function ruleOf(sql: string): string | null {
  const [statement] = splitStatements(sql).statements;
  return statement ? cannotRunInTransaction(sql, statement) : null;
}

test.each(transactionCases)('$sql is known to be refused inside a transaction, or not: $rule', ({ sql, rule }) => {
  expect(ruleOf(sql)).toBe(rule);
});

test.each([
  ['CLUSTER (VERBOSE)', 'CLUSTER of all tables'],
  ['ALTER SUBSCRIPTION s SET (failover = true)', 'ALTER SUBSCRIPTION … SET (failover)'],
  ['ALTER SUBSCRIPTION s SET (streaming = on, two_phase)', 'ALTER SUBSCRIPTION … SET (two_phase)'],
])('%s of newer servers is known too', (sql, rule) => {
  expect(ruleOf(sql)).toBe(rule);
});

describe('statements that conflict only with others of their file', () => {
  function conflicts(text: string): readonly string[] {
    return transactionConflicts(text, splitStatements(text).statements).map(
      ({ statement, rule }) => `${text.slice(statement.start, statement.end).slice(0, 12)}: ${rule}`,
    );
  }

  const add = "alter type mood add value if not exists 'glad' after 'calm';\n";
  const conflict = "use of the enum value 'glad' added above";

  test.each([
    ['a row that holds it', "insert into t values ('glad');", [`insert into : ${conflict}`]],
    ['a default', "alter table t alter m set default 'glad'::mood;", [`alter table : ${conflict}`]],
    [
      'a DO block, which runs at once',
      "do $$ begin insert into t values ('glad'); end $$;",
      [`do $$ begin : ${conflict}`],
    ],
    [
      'an SQL function, whose body is parsed at once',
      "create function f() returns mood language sql as $$ select 'glad'::mood $$;",
      [`create funct: ${conflict}`],
    ],
    [
      'a PL/pgSQL function, whose body waits',
      "create function f() returns mood language plpgsql as $$ begin return 'glad'; end $$;",
      [],
    ],
    ['another value placed behind it', "alter type mood add value 'happy' after 'glad';", []],
    ['a new name for it', "alter type mood rename value 'glad' to 'merry';", []],
    ['a comment', "comment on type mood is 'glad';", []],
    ['another value', "insert into t values ('calm');", []],
  ])('a new enum value and %s', (_title, use, expected) => {
    expect(conflicts(add + use)).toEqual(expected);
    expect(conflicts(use + add), 'before the value is added nothing is refused').toEqual([]);
  });

  test('DROP SUBSCRIPTION may run once the slot was given up above it', () => {
    const givenUp = 'alter subscription s disable; alter subscription s set (slot_name = none); drop subscription s;';
    expect(conflicts(givenUp)).toEqual([]);
    expect(conflicts('alter subscription s disable; drop subscription s;')).toEqual([
      'drop subscri: DROP SUBSCRIPTION with a replication slot',
    ]);
  });

  test('all are told in the order of the file', () => {
    expect(conflicts(`${add}insert into t values ('glad'); vacuum; discard all;`)).toEqual([
      `insert into : ${conflict}`,
      'vacuum: VACUUM',
      'discard all: DISCARD ALL',
    ]);
  });
});
