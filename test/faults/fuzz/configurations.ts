import fc from 'fast-check';
import { configurationKeys } from '../../../src/config/schema.ts';
import { connection, connectionVariables } from './connections.ts';
import { canary, changed, changesOf, oddText, rarely } from './values.ts';

/** A configuration file, or what stands in its place. */
export type ConfigurationEntry =
  | { readonly kind: 'file'; readonly name: string; readonly text: string }
  | { readonly kind: 'fifo' | 'directory' | 'dangling link' | 'unreadable'; readonly name: string };

const names = [
  '.pulsemigraterc',
  '.pulsemigraterc',
  '.pulsemigraterc.yaml',
  '.pulsemigraterc.yml',
  '.pulsemigraterc.json',
  'package.json',
  'files/pulse.yaml',
  'files/pulse',
  'files/pulse.toml',
] as const;

/** The key is drawn from elsewhere, or what it holds would be looked up, executed or started. */
const drawnElsewhere = new Set(['database', 'checks.freeSpaceCommand']);
const plainKeys = configurationKeys.map(({ name }) => name).filter((name) => !drawnElsewhere.has(name));

const scalar: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom<unknown>(
      true,
      false,
      0,
      1,
      30,
      -1,
      1.5,
      1e21,
      null,
      '5m',
      '2s',
      'number',
      'strict',
      'auto',
      'ask',
      'require',
      'skip',
      'migrations',
      'backups',
      ['disk-space'],
      'disk-space',
      [],
      {},
      'a\0b',
      'other',
    ),
  },
  { weight: 3, arbitrary: oddText },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
);

function sectioned(flat: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(flat)) {
    const [section = '', inner] = name.split('.');
    if (inner === undefined) {
      result[section] = value;
    } else {
      const present = result[section];
      result[section] = { ...(typeof present === 'object' && present !== null ? present : {}), [inner]: value };
    }
  }
  return result;
}

const oddValues = fc
  .dictionary(
    fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...plainKeys) }, { weight: 1, arbitrary: oddText }),
    scalar,
    { minKeys: 1, maxKeys: 2 },
  )
  .map(sectioned);

const sane: fc.Arbitrary<Record<string, unknown>> = fc.record(
  {
    dir: fc.constant('migrations'),
    order: fc.constantFrom('number', 'text'),
    requireDown: fc.boolean(),
    allowEmpty: fc.boolean(),
    transaction: fc.constantFrom('strict', 'auto'),
    ledgerSchema: fc.constantFrom('pulse_migrate', 'ledger', 'Odd "name";', 'ü'),
    lockWait: fc.constantFrom('1s', '250ms', '0s'),
    lockRetries: fc.constantFrom(0, 1, 3),
    protected: fc.boolean(),
    backup: fc.constant({ policy: 'skip' }),
    checks: fc.constantFrom(
      { skip: ['disk-space'] },
      { freeSpaceCommand: 'echo 1000000000000' },
      { freeSpaceCommand: 'exit 3' },
      { skip: ['backup', 'disk-space'] },
    ),
  },
  { requiredKeys: [] },
);

/** In order but for a key or two, so that the rest is looked at as well. */
const values = fc.oneof(
  { weight: 2, arbitrary: sane },
  { weight: 1, arbitrary: fc.tuple(sane, oddValues).map(([good, odd]) => ({ ...good, ...odd })) },
);

const withDatabase = fc
  .tuple(
    values,
    rarely(connection),
    fc.option(fc.dictionary(fc.constantFrom('production', 'prod', 'ü', '__proto__'), values, { maxKeys: 2 }), {
      nil: undefined,
    }),
  )
  .map(([top, database, environments]) => ({
    ...top,
    ...(database !== undefined && { database }),
    ...(environments !== undefined && { environments }),
  }));

const plainText = [
  '# a configuration\ndir: migrations\norder: number\nrequireDown: false\n',
  'lockWait: 2s\nlockTimeout: 250ms\nlockRetries: 3\nbackup:\n  policy: skip\n  directory: backups\nchecks:\n  skip: [disk-space, backup]\n',
  'protected: true\nenvironments:\n  production:\n    ledgerSchema: ledger\n  staging: {lockWait: 1s}\n',
  '{"dir": "migrations", "environments": {"production": {"protected": true}}}\n',
  'a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n',
  'dir: !!js/function "function () {}"\n',
  '%YAML 1.2\n---\ndir: migrations\n...\n---\nsecond: document\n',
];

/** Text with a few characters changed: it names no database, since whatever became of the host would be looked up. */
const damaged = fc
  .tuple(
    fc.constantFrom(...plainText),
    changesOf(
      fc.constantFrom(
        ':',
        '\n',
        ' ',
        '  ',
        '- ',
        '{',
        '}',
        '[',
        ']',
        '"',
        "'",
        '#',
        '&a',
        '*a',
        '!!x',
        '|',
        '>',
        '\t',
        '\0',
        '\r\n',
        '\ufeff',
        '\u00a0',
        'ü',
        '<<: ',
        '? ',
        '[[[[[[',
        '%',
        '---\n',
        '..',
        '1',
      ),
      4,
    ),
  )
  .map(([text, changes]) => changed(text, changes));

const text = fc.oneof(
  { weight: 4, arbitrary: withDatabase.map((value) => JSON.stringify(value)) },
  { weight: 4, arbitrary: damaged },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      ' ',
      '\0',
      '[',
      '[]',
      'null',
      '1',
      'text',
      '{'.repeat(3000),
      'x: '.repeat(2000),
      `${'a'.repeat(300 * 1024)}: 1`,
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
);

const entry: fc.Arbitrary<ConfigurationEntry> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .record({ kind: fc.constant('file' as const), name: fc.constantFrom(...names), text })
      .map(({ kind, name, text: content }) => ({
        kind,
        name,
        text: name === 'package.json' ? `{"name": "x", "pulse-migrate": ${content}}` : content,
      })),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('fifo' as const, 'directory' as const, 'dangling link' as const, 'unreadable' as const),
      name: fc.constantFrom(...names),
    }),
  },
);

/** Files of a configuration, nearly always one. */
export const configuration: fc.Arbitrary<readonly ConfigurationEntry[]> = fc.oneof(
  { weight: 10, arbitrary: entry.map((one) => [one]) },
  { weight: 1, arbitrary: fc.array(entry, { minLength: 2, maxLength: 3 }) },
);

/** A configuration without anything odd in it. */
export const saneConfiguration: fc.Arbitrary<readonly ConfigurationEntry[]> = sane.map((value) => [
  { kind: 'file', name: '.pulsemigraterc', text: JSON.stringify(value) },
]);

/** The program's own variables and libpq's. */
export const environment: fc.Arbitrary<Readonly<Record<string, string>>> = fc
  .tuple(
    connectionVariables,
    fc.dictionary(
      fc.constantFrom(
        'PULSE_DIR',
        'PULSE_LEDGER_SCHEMA',
        'PULSE_LOCK_WAIT',
        'PULSE_LOCK_TIMEOUT',
        'PULSE_LOCK_RETRIES',
        'NO_COLOR',
        'FORCE_COLOR',
        'CI',
        'GITHUB_SHA',
        'TERM',
      ),
      oddText,
      { maxKeys: 1 },
    ),
    rarely(
      fc.constantFrom(
        'files/pulse.yaml',
        'files/pulse',
        'files/fifo',
        'files',
        'files/none',
        'files/x.js',
        '.',
        '/dev/null',
      ),
    ),
    rarely(fc.oneof(fc.constantFrom('production', 'prod'), oddText)),
    rarely(connection),
  )
  .map(([pg, own, config, env, url]) => ({
    ...pg,
    ...own,
    SECRET: canary,
    ...(config !== undefined && { PULSE_CONFIG: config }),
    ...(env !== undefined && { PULSE_ENV: env }),
    ...(url !== undefined && { DATABASE_URL: url }),
  }));
