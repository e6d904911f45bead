import { describe, expect, test } from 'vitest';
import { conflictClauses, readsWithout } from '../../../../src/partitions/plan/statement-shape.ts';

describe('ON CONFLICT', () => {
  const cases: ReadonlyArray<readonly [query: string, clauses: unknown]> = [
    [
      'INSERT INTO commits (id, repo_id, sha) VALUES ($1, $2, $3) ON CONFLICT (repo_id, sha) DO NOTHING',
      [['commits', ['repo_id', 'sha']]],
    ],
    [
      'insert into public."Commits" as c values ($1) on conflict ( "Sha" ) do update set x = $2',
      [['Commits', ['Sha']]],
    ],
    ['INSERT INTO commits SELECT * FROM new ON CONFLICT DO NOTHING', [['commits', 'any']]],
    ['INSERT INTO commits DEFAULT VALUES ON CONFLICT ON CONSTRAINT "a b" DO NOTHING', [['commits', 'a b']]],
    [
      'INSERT INTO t VALUES ($1) ON CONFLICT (sha COLLATE "C" text_ops, lower(a), (b || c)) WHERE d > $2 DO NOTHING',
      [['t', ['sha', null, null]]],
    ],
    [
      'WITH a AS (INSERT INTO one VALUES ($1) ON CONFLICT (id) DO NOTHING RETURNING id) INSERT INTO two SELECT id FROM a ON CONFLICT (x) DO NOTHING',
      [
        ['one', ['id']],
        ['two', ['x']],
      ],
    ],
    [`INSERT INTO t VALUES ('ON CONFLICT (a)') -- ON CONFLICT (b)`, []],
    ['SELECT 1 FROM a JOIN b ON conflict = 1', []],
    ['INSERT INTO t VALUES (1', []],
    ['ON CONFLICT (', []],
  ];
  test.each(cases)('of %s is read', (query, expected) => {
    const read = conflictClauses(query).map(({ table, target }) => [
      table.name,
      target.kind === 'columns' ? target.columns : target.kind === 'constraint' ? target.name : 'any',
    ]);
    expect(read).toEqual(expected);
  });
});

describe('a statement that looks into every partition', () => {
  const table = { schema: 'public', name: 'commits' };
  const reads: ReadonlyArray<readonly [query: string, everywhere: boolean]> = [
    ['SELECT * FROM commits WHERE id = $1', true],
    ['SELECT committed_at FROM commits WHERE id = $1 ORDER BY committed_at LIMIT $2', true],
    ['SELECT * FROM commits WHERE repo_id = $1 AND committed_at >= $2', false],
    ['SELECT * FROM public.commits c WHERE (c.committed_at BETWEEN $1 AND $2)', false],
    ['SELECT * FROM other.commits WHERE id = $1', false],
    ['SELECT * FROM repositories WHERE id = $1', false],
    ['SELECT * FROM repositories r JOIN commits c ON c.repo_id = r.id', true],
    ['SELECT * FROM d JOIN commits c ON c.repo_id = r.id AND c.committed_at = d.at', false],
    ['SELECT * FROM commits WHERE date_trunc($1, committed_at) = $2', true],
    ['SELECT * FROM commits WHERE extract(year FROM committed_at) = $1', true],
    ['UPDATE commits SET committed_at = $1 WHERE id = $2', true],
    ['DELETE FROM commits WHERE committed_at < $1', false],
    ['DELETE FROM commits WHERE id IN (SELECT id FROM old WHERE committed_at < $1)', false],
    ['INSERT INTO commits VALUES ($1) ON CONFLICT (committed_at) DO NOTHING', false],
    ['INSERT INTO log SELECT * FROM commits', true],
    ['COPY commits TO STDOUT', false],
    ['VACUUM commits', false],
    ['', false],
  ];
  test.each(reads)('is told by its conditions: %s', (query, everywhere) => {
    expect(readsWithout(query, table, 'committed_at')).toBe(everywhere);
  });
});
