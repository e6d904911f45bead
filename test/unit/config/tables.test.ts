import { describe, expect, test } from 'vitest';
import { loadSettings } from '../../../src/config/load.ts';
import { PulseError } from '../../../src/errors.ts';
import { surroundings } from './surroundings.ts';

const load = async (file: string, env?: string) =>
  loadSettings(env === undefined ? {} : { env }, await surroundings({ '.pulsemigraterc': file }, {}));

/** The problems of a file, each with its line. */
async function problemsOf(
  file: string,
): Promise<ReadonlyArray<readonly [message: string, line: number | undefined, hint: string | undefined]>> {
  const thrown = await load(file).catch((error: unknown) => error);
  if (!(thrown instanceof PulseError)) throw new Error('the file was accepted');
  expect(thrown.code).toBe('config-invalid');
  return thrown.problems.map(({ message, location, hint }) => [message, location?.line, hint]);
}

describe('partitions', () => {
  test('are read by the name of their table, in the order of the file', async () => {
    const { partitions, origins } = await load(
      'partitions:\n  commits: { period: month, lead: 3, by: committed_at, trigger: { rows: 5000000 } }\n  audit."Logs": { period: quarter }\n  days: { lead: 14 }\n',
    );
    expect(partitions).toEqual([
      { table: 'commits', period: 'month', lead: 3, by: 'committed_at', trigger: { rows: 5_000_000 } },
      { table: 'audit."Logs"', period: 'quarter', lead: null, by: null, trigger: null },
      { table: 'days', period: null, lead: 14, by: null, trigger: null },
    ]);
    expect(origins['partitions']).toBe('.pulsemigraterc:2');
  });

  test('of an environment stand in place of those at the top', async () => {
    const file =
      'partitions: { commits: { lead: 3 } }\nenvironments: { e: { partitions: { logs: { lead: 1 } } }, f: { protected: true } }\n';
    expect((await load(file, 'e')).partitions).toMatchObject([{ table: 'logs', period: null, lead: 1 }]);
    expect((await load(file, 'f')).partitions).toMatchObject([{ table: 'commits', period: null, lead: 3 }]);
  });

  test('with problems are refused with all of them, each at its line, and the name that was meant', async () => {
    expect(
      await problemsOf(
        'partitions:\n  a:\n    perod: month\n  b: { period: fortnight }\n  c:\n    lead: 0\n  d:\n  e: {}\n  __proto__: month\n  f: { trigger: { rows: 0 } }\n  g: { trigger: { row: 5 } }\n',
      ),
    ).toEqual([
      ['partitions.a.perod is no key that is known here', 3, 'did you mean "period"?'],
      ['partitions.b.period must be day or week or month or quarter or year', 4, expect.stringContaining('month')],
      ['partitions.c.lead must be at least 1', 6, 'write for example 3'],
      ['partitions.d must say period, lead, by or trigger', 7, expect.stringContaining('period: month')],
      ['partitions.e must say period, lead, by or trigger', 8, expect.stringContaining('period: month')],
      ['partitions.__proto__ must say period, lead, by or trigger', 9, expect.stringContaining('period: month')],
      ['partitions.f.trigger.rows must be a whole number of rows, at least 1', 10, 'write for example 5000000'],
      ['partitions.g.trigger needs rows', 11, 'for example: rows: 5000000'],
      ['partitions.g.trigger.row is no key that is known here', 11, 'did you mean "rows"?'],
    ]);
  });

  test.each(['3', '[commits]', 'month'])('written as %s are refused', async (value) => {
    expect(await problemsOf(`partitions: ${value}\n`)).toEqual([
      ['partitions must hold tables by name', 1, expect.stringContaining('period: month')],
    ]);
  });
});

describe('retention', () => {
  test('is a list of rules for each table, with ages as an interval of the server', async () => {
    const { retention } = await load(`retention:
  notifications:
    - { action: delete, time: created_at, after: 30 days, batch: 500, pause: 1s, cascade: [replies] }
  app.metrics:
    - { action: downsample, time: at, after: 1 year, to: day, by: [team], columns: { value: avg, "Id": newest } }
    - { action: keep-one-a-day, time: at, after: 2year, by: team }
  logs:
    - { action: archive, time: at, after: 12 months, to: "s3://b/p", endpoint: "https://r2.example.com", format: jsonl }
    - { action: archive, time: at, after: 1 year, to: old/logs }
    - { action: drop-partition, time: at, after: 24 hours }
`);
    const rest = { by: [], to: null, columns: [], cascade: [], archive: null, batch: 1000, pauseMs: 50 };
    expect(retention).toEqual([
      {
        ...rest,
        table: 'notifications',
        action: 'delete',
        time: 'created_at',
        after: '30 days',
        batch: 500,
        pauseMs: 1000,
        cascade: ['replies'],
      },
      {
        ...rest,
        table: 'app.metrics',
        action: 'downsample',
        time: 'at',
        after: '1 year',
        to: 'day',
        by: ['team'],
        columns: [
          ['value', 'avg'],
          ['Id', 'newest'],
        ],
      },
      { ...rest, table: 'app.metrics', action: 'keep-one-a-day', time: 'at', after: '2 years', by: ['team'] },
      {
        ...{ ...rest, table: 'logs', action: 'archive', time: 'at', after: '12 months' },
        archive: { place: 's3://b/p', endpoint: 'https://r2.example.com/', format: 'jsonl' },
      },
      {
        ...{ ...rest, table: 'logs', action: 'archive', time: 'at', after: '1 year' },
        archive: { place: expect.stringMatching(/^\/.*\/old\/logs$/), endpoint: null, format: 'csv' },
      },
      { ...rest, table: 'logs', action: 'drop-partition', time: 'at', after: '24 hours' },
    ]);
  });

  const wrong: ReadonlyArray<readonly [rule: string, problem: string, hint: string]> = [
    ['{ time: t, after: 1 day }', 'needs action', 'action: delete'],
    ['{ action: delte, time: t, after: 1 day }', 'action must be delete or', 'drop-partition'],
    ['{ action: delete, after: 1 day }', 'needs time', 'time: created_at'],
    ['{ action: delete, time: t }', 'needs after', 'after: 30 days'],
    ['{ action: delete, time: t, after: 0 days }', 'after must be an age', '30 days'],
    ['{ action: delete, time: t, after: 30 }', 'after must be an age', '30 days'],
    ['{ action: delete, time: t, after: 30d }', 'after must be an age', '30 days'],
    ['{ action: delete, time: t, after: -1 days }', 'after must be an age', '30 days'],
    ['{ action: delete, time: t, after: 1 day, batch: 0 }', 'batch must be at least 1', '1000'],
    ['{ action: delete, time: t, after: 1 day, cascde: [a] }', 'cascde is no key', 'did you mean "cascade"?'],
    ['{ action: delete, time: t, after: 1 day, by: [a] }', 'by is no key', 'keys known here'],
    ['{ action: keep-one-a-day, time: t, after: 1 day }', 'needs by', 'by: [team_id]'],
    ['{ action: downsample, time: t, after: 1 day, by: [a], columns: { v: avg } }', 'needs to', 'to: day'],
    [
      '{ action: downsample, time: t, after: 1 day, to: day, by: [a], columns: { v: median } }',
      'columns.v must be avg or',
      'newest',
    ],
    ['{ action: archive, time: t, after: 1 day }', 'needs to', 'to: s3://'],
    ['{ action: archive, time: t, after: 1 day, to: "ftp://a" }', 'to must be a directory or s3://', 's3://'],
    ['{ action: archive, time: t, after: 1 day, to: a, format: xml }', 'format must be csv or jsonl', ''],
    [
      '{ action: archive, time: t, after: 1 day, to: "s3://a", endpoint: "https://u:p@a" }',
      'endpoint must be a URL without user and password',
      'AWS_ACCESS_KEY_ID',
    ],
    ['{ action: delete, time: t, after: 1 day, to: "s3://a" }', 'to is no key', 'keys known here'],
    ['delete', 'must be a rule', 'action: delete'],
  ];

  test.each(wrong)('with the rule %s is refused: %s', async (rule, problem, hint) => {
    const [found, ...others] = await problemsOf(`retention:\n  a:\n    - ${rule}\n`);
    expect(found?.[0]).toContain('retention.a.0');
    expect(found?.[0]).toContain(problem);
    expect(found?.[1]).toBe(3);
    expect(found?.[2]).toContain(hint);
    expect(others).toEqual([]);
  });

  test.each(['{ action: delete }', '[]', '3'])('whose table holds %s instead of rules is refused', async (value) => {
    expect(await problemsOf(`retention: { a: ${value} }\n`)).toEqual([
      ['retention.a must be a list of rules', 1, expect.stringContaining('action: delete')],
    ]);
  });
});
