// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the configuration's own notation
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadSettings } from '../../../src/config/load.ts';
import { configurationKeys } from '../../../src/config/schema.ts';
import type { FlagInput, Settings, Surroundings } from '../../../src/config/settings.ts';
import { PulseError } from '../../../src/errors.ts';
import { surroundings } from './surroundings.ts';

async function load(file: string | null, flags: FlagInput = {}, env: Surroundings['env'] = {}): Promise<Settings> {
  return loadSettings(flags, await surroundings(file === null ? {} : { '.pulsemigraterc': file }, env));
}

async function refusal(loading: Promise<unknown>): Promise<PulseError> {
  const thrown = await loading.then(
    () => null,
    (error: unknown) => error,
  );
  if (thrown instanceof PulseError) return thrown;
  throw new Error('no PulseError was thrown', { cause: thrown });
}

/** Where the settings lead: embedded, or the host of the first server. */
const place = ({ database }: Settings) =>
  database.kind === 'embedded' ? 'embedded' : database.parameters.hosts[0]?.host;

const defaults = {
  order: null,
  requireDown: true,
  allowEmpty: false,
  transaction: 'strict',
  ledgerSchema: 'pulse_migrate',
  environment: null,
  protected: false,
  lockWaitMs: 300_000,
  backup: { policy: 'ask', directory: null },
  checks: { skip: [], freeSpaceCommand: null },
  directoryShown: 'migrations',
};

describe('precedence', () => {
  test('without file, flags and variables every value is its default and says so', async () => {
    const settings = await load(null);
    expect(settings).toMatchObject({ ...defaults, file: null, warnings: [] });
    expect(Object.keys(settings.origins).toSorted()).toEqual(configurationKeys.map(({ name }) => name).toSorted());
    expect(new Set(Object.values(settings.origins))).toEqual(new Set(['default', 'default of libpq']));
  });

  test.each<[string, FlagInput, Surroundings['env'], number, string]>([
    ['the flag stands above all', { lockWait: '1s', env: 'e' }, { PULSE_LOCK_WAIT: '2s' }, 1_000, '--lock-wait'],
    ['the variable stands above the file', { env: 'e' }, { PULSE_LOCK_WAIT: '2s' }, 2_000, 'PULSE_LOCK_WAIT'],
    ['an empty variable says nothing', { env: 'e' }, { PULSE_LOCK_WAIT: '' }, 3_000, '.pulsemigraterc:4'],
    [
      'the section of the environment stands above the top of the file',
      {},
      { PULSE_ENV: 'e' },
      3_000,
      '.pulsemigraterc:4',
    ],
    ['the top of the file stands above the default', {}, {}, 4_000, '.pulsemigraterc:1'],
  ])('%s', async (_case, flags, env, lockWaitMs, origin) => {
    const settings = await load('lockWait: 4s\nenvironments:\n  e:\n    lockWait: 3s\n', flags, env);
    expect(settings.lockWaitMs).toBe(lockWaitMs);
    expect(settings.origins['lockWait']).toBe(origin);
  });

  const twoDatabases = 'database: host=top\nenvironments:\n  e:\n    database: host=section\n  bare: {}\n';
  test.each<[string, FlagInput, Surroundings['env'], string, string]>([
    ['--embedded', { embedded: true, env: 'e' }, { DATABASE_URL: 'host=variable' }, 'embedded', '--embedded'],
    [
      '--database-url',
      { databaseUrl: 'host=flag', env: 'e' },
      { DATABASE_URL: 'host=variable' },
      'flag',
      '--database-url',
    ],
    ['the section of --env', { env: 'e' }, { DATABASE_URL: 'host=variable' }, 'section', '.pulsemigraterc:4'],
    [
      'DATABASE_URL, where the section names none',
      { env: 'bare' },
      { DATABASE_URL: 'host=variable' },
      'variable',
      'DATABASE_URL',
    ],
    [
      'the top of the file, where DATABASE_URL is empty',
      { env: 'bare' },
      { DATABASE_URL: ' ' },
      'top',
      '.pulsemigraterc:1',
    ],
  ])('the database comes from %s', async (_case, flags, env, host, origin) => {
    const settings = await load(twoDatabases, flags, env);
    expect([place(settings), settings.database.origin, settings.origins['database']]).toEqual([host, origin, origin]);
  });

  test('a DATABASE_URL that the section of --env beats is mentioned', async () => {
    const { warnings } = await load(twoDatabases, { env: 'e' }, { DATABASE_URL: 'host=variable' });
    expect(warnings).toEqual([
      expect.stringContaining("DATABASE_URL is set, but the environment's own database is used"),
    ]);
  });

  test('what was said by PG variables alone is the origin', async () => {
    const settings = await load(null, {}, { PGHOST: 'h', PGDATABASE: 'd' });
    expect([place(settings), settings.database.origin]).toEqual(['h', 'PGHOST, PGDATABASE']);
  });

  test('checks accepted by flag add to those of the file, and --backup asks for a backup now', async () => {
    const settings = await load('checks: {skip: [a, b]}\nbackup: {policy: skip}\n', {
      skipCheck: ['b', 'c'],
      backup: 'dumps',
    });
    expect(settings.checks.skip.toSorted()).toEqual(['a', 'b', 'c']);
    expect(settings.backup.policy).toBe('require');
    expect(settings.backup.directory).toMatch(/\/dumps$/);
  });

  test('a password in --database-url is warned about, one in DATABASE_URL is not', async () => {
    const url = 'postgresql://u:secret@h/d';
    expect((await load(null, { databaseUrl: url })).warnings).toEqual([
      expect.stringContaining('list of running programs'),
    ]);
    expect((await load(null, {}, { DATABASE_URL: url })).warnings).toEqual([]);
  });
});

describe('the folder of migrations', () => {
  test('is db/migrations where only that exists, and the origin says why', async () => {
    const around = await surroundings({ 'db/migrations/x': '' });
    const settings = await loadSettings({}, around);
    expect([settings.directory, settings.directoryShown]).toEqual([join(around.cwd, 'db/migrations'), 'db/migrations']);
    expect(settings.origins['dir']).toBe('default (db/migrations exists, migrations does not)');
    mkdirSync(join(around.cwd, 'migrations'));
    expect((await loadSettings({}, around)).directoryShown).toBe('migrations');
  });

  test('is seen from the configuration file when the file names it, and from here when a flag does', async () => {
    const around = await surroundings({ 'conf/pulse.yaml': 'dir: sql\n' });
    expect((await loadSettings({ config: 'conf/pulse.yaml' }, around)).directoryShown).toBe('conf/sql');
    expect((await loadSettings({ config: 'conf/pulse.yaml', dir: 'sql' }, around)).directoryShown).toBe('sql');
    expect((await loadSettings({ dir: '/elsewhere' }, around)).directoryShown).toBe('/elsewhere');
  });
});

describe('finding the file', () => {
  test.each([
    ['.pulsemigraterc', 'ledgerSchema: found'],
    ['.pulsemigraterc', '{"ledgerSchema": "found"}'],
    ['.pulsemigraterc.json', '{\n\t"ledgerSchema": "found"\n}'],
    ['.pulsemigraterc.yaml', '\uFEFFledgerSchema: found'],
    ['.pulsemigraterc.yml', 'ledgerSchema: found'],
    ['package.json', '{"name": "x",\n"pulse-migrate": {"ledgerSchema": "found"}}'],
  ])('%s with %j is read', async (name, text) => {
    const settings = await loadSettings({}, await surroundings({ [name]: text }));
    expect([settings.ledgerSchema, settings.file]).toEqual(['found', name]);
  });

  test('a folder above is never looked into', async () => {
    const around = await surroundings({ '.pulsemigraterc': 'ledgerSchema: above', 'inner/x': '' });
    expect((await loadSettings({}, { ...around, cwd: join(around.cwd, 'inner') })).file).toBeNull();
  });

  test('an empty file, and a package.json of somebody else however broken, say nothing', async () => {
    expect(await load('')).toMatchObject(defaults);
    expect(await load('# comment\n')).toMatchObject(defaults);
    for (const text of [
      '',
      '{{{',
      '"pulse-migrate"',
      '{"devDependencies": {"pulse-migrate": "1.0.0", "pulse-migrate": 2}}',
    ]) {
      const settings = await loadSettings({}, await surroundings({ 'package.json': text }));
      expect(settings, text).toMatchObject({ ...defaults, file: null });
    }
  });

  test('a package.json that is broken and may be meant for us is refused', async () => {
    const around = await surroundings({ 'package.json': '{"pulse-migrate": {"dir": "x"' });
    await expect(loadSettings({}, around)).rejects.toMatchObject({
      code: 'config-invalid',
      problems: expect.arrayContaining([
        expect.objectContaining({ location: expect.objectContaining({ file: 'package.json' }) }),
      ]),
    });
  });

  test.each<[string, Readonly<Record<string, string>>, FlagInput, string]>([
    [
      'two files',
      { '.pulsemigraterc': '', '.pulsemigraterc.yaml': '' },
      {},
      'there are two configuration files: .pulsemigraterc and .pulsemigraterc.yaml',
    ],
    [
      'a directory of that name',
      { '.pulsemigraterc/x': '' },
      {},
      '.pulsemigraterc cannot be read: it is a directory, not a file',
    ],
    ['a missing file', {}, { config: 'no.yaml' }, 'no.yaml cannot be read: there is no such file'],
    [
      'code',
      { 'c.mjs': 'process.exit(3)' },
      { config: 'c.mjs' },
      'c.mjs is refused: a configuration is data, and this program runs no code from it',
    ],
    [
      'a package.json without the key',
      { 'package.json': '{}' },
      { config: 'package.json' },
      'package.json has no key "pulse-migrate"',
    ],
  ])('%s is refused', async (_case, files, flags, message) => {
    const error = await refusal(loadSettings(flags, await surroundings(files)));
    expect([error.code, error.message]).toEqual(['config-invalid', message]);
  });

  test('a named pipe is refused instead of waited for, and passed over where it is called package.json', async () => {
    const around = await surroundings();
    for (const name of ['pipe.yaml', 'package.json']) execFileSync('mkfifo', [join(around.cwd, name)]);
    const error = await refusal(loadSettings({ config: 'pipe.yaml' }, around));
    expect([error.message, error.hint]).toEqual([
      'pipe.yaml cannot be read: it is a named pipe, not a file',
      'write the configuration into a file and name that one',
    ]);
    expect((await refusal(loadSettings({}, { ...around, env: { PULSE_CONFIG: '/dev/zero' } }))).message).toBe(
      '/dev/zero cannot be read: it is a device, not a file',
    );
    expect((await loadSettings({}, around)).file).toBeNull();
  });

  test('code that cosmiconfig would run from the current folder is not run', async () => {
    const marker = 'pulseMigrateConfigTestRanCode';
    const code = `globalThis.${marker} = true; module.exports = { searchPlaces: ['evil.js'] };`;
    const around = await surroundings({
      '.config/config.js': code,
      'evil.js': code,
      '.pulsemigraterc': 'ledgerSchema: mine',
    });
    const here = process.cwd();
    try {
      process.chdir(around.cwd);
      expect((await loadSettings({}, around)).ledgerSchema).toBe('mine');
    } finally {
      process.chdir(here);
    }
    expect(marker in globalThis).toBe(false);
  });
});

describe('a file with problems', () => {
  test('is refused with all of them at once, each with its line and column', async () => {
    const file = [
      'ledgerShema: x',
      'requireDown: yes',
      'lockWait: 5',
      'order: numeric',
      'ledgerSchema: pg_mine',
      'backup: ask',
      'checks:',
      '  skip: {a: 1}',
      '  freeSpace: df',
      'dir:',
      'environments:',
      '  production:',
      '    protected: "true"',
      '    environments: {}',
      '__proto__: {polluted: true}',
    ].join('\n');
    const error = await refusal(load(file));
    expect(
      error.problems.map(({ message, hint, location }) => [
        `${location?.file}:${location?.line}:${location?.column}`,
        message,
        hint,
      ]),
    ).toMatchInlineSnapshot(`
      [
        [
          ".pulsemigraterc:1:1",
          "unknown key "ledgerShema"",
          "did you mean "ledgerSchema"?",
        ],
        [
          ".pulsemigraterc:2:14",
          "requireDown must be true or false",
          "write true or false, without quotes",
        ],
        [
          ".pulsemigraterc:3:11",
          "lockWait must be a duration with a unit, at most 24 days",
          "write for example 30s or 5m; units are ms, s, min (or m), h, d",
        ],
        [
          ".pulsemigraterc:4:8",
          "order must be number or text",
          "write one of: number, text",
        ],
        [
          ".pulsemigraterc:5:15",
          "ledgerSchema is a name PostgreSQL keeps for its own schemas",
          "choose a name that does not begin with pg_",
        ],
        [
          ".pulsemigraterc:6:9",
          "backup must hold keys of its own",
          "write one key a line, indented below it; see .pulsemigraterc.example",
        ],
        [
          ".pulsemigraterc:8:9",
          "checks.skip must be a list of texts",
          "write for example [first, second]",
        ],
        [
          ".pulsemigraterc:9:3",
          "unknown key "freeSpace" in checks",
          "keys known here: skip, severity, freeSpaceCommand",
        ],
        [
          ".pulsemigraterc:10:1",
          "dir is empty",
          "give it a value or remove the line",
        ],
        [
          ".pulsemigraterc:13:16",
          "environments.production.protected must be true or false",
          "write true or false, without quotes",
        ],
        [
          ".pulsemigraterc:14:5",
          "unknown key "environments" in environments.production",
          "keys known here: database, dir, order, requireDown, allowEmpty, transaction, ledgerSchema, lockWait, lockTimeout, lockRetries, reconnectWait, protected, backup, checks, partitions, retention, queries",
        ],
        [
          ".pulsemigraterc:15:1",
          "unknown key "__proto__"",
          "keys known here: database, dir, order, requireDown, allowEmpty, transaction, ledgerSchema, lockWait, lockTimeout, lockRetries, reconnectWait, protected, backup, checks, partitions, retention, queries, environments",
        ],
      ]
    `);
    expect([error.code, error.exitCode]).toEqual(['config-invalid', 2]);
    expect('polluted' in {}).toBe(false);
  });

  test.each([
    ['a tag', 'dir: !!js/function "x"', 1],
    ['an alias', 'dir: &a x\nledgerSchema: *a', 2],
    ['a key twice', 'dir: a\ndir: b', 2],
    ['an unclosed quote', 'dir: "a', 1],
    ['two documents', 'dir: a\n---\ndir: b', 2],
    ['a list for a file', '- dir', 1],
    ['a key that is no text', '? [a]\n: b', 1],
  ])('%s is refused with its line', async (_case, file, line) => {
    const { code, problems } = await refusal(load(file));
    expect([code, problems.map(({ location }) => location?.line)]).toEqual(['config-invalid', [line]]);
  });

  test.each([
    ['nested twenty thousand deep', `dir: ${'['.repeat(20_000)}`],
    ['larger than any configuration', `dir: ${'x'.repeat(300_000)}`],
  ])('one %s is refused without harm', async (_case, file) => {
    expect((await refusal(load(file))).code).toBe('config-invalid');
  });

  test('syntax errors never show the line, where a password may stand', async () => {
    const error = await refusal(load('database: "postgresql://u:topsecret@h\n  x: }'));
    expect(JSON.stringify([error.message, error.hint, error.problems])).not.toContain('topsecret');
  });

  test('a bad value of a flag and a bad database in the file are named together', async () => {
    const error = await refusal(load('\ndatabase: host=h port=x\n', { lockWait: '5' }));
    expect(error.problems.map(({ message, location }) => [message, location?.line])).toEqual([
      ['--lock-wait must be a duration with a unit, at most 24 days', undefined],
      ['port in database (.pulsemigraterc:2) is not a number from 1 to 65535', 2],
    ]);
  });
});

describe('environments', () => {
  test('one that nobody defined is refused with those there are', async () => {
    const error = await refusal(load('environments: {production: {}, staging: {}}', { env: 'prodution' }));
    expect([error.code, error.message, error.hint]).toEqual([
      'usage',
      'unknown environment "prodution" (--env)',
      'did you mean production? known: production, staging',
    ]);
  });

  test('--embedded and --database-url exclude each other', async () => {
    expect((await refusal(load(null, { embedded: true, databaseUrl: 'host=h' }))).code).toBe('usage');
  });
});

describe('variables in the database of the file', () => {
  test('are put in, and $${ is left as ${', async () => {
    const { database } = await load('database: postgresql://u:${PW}$${x}@${HOST}/d', {}, { PW: 'pw', HOST: 'h' });
    expect(database.kind === 'server' && database.parameters.hosts[0]?.password?.reveal()).toBe('pw${x}');
  });

  test('that are not set are each named, with the line', async () => {
    const error = await refusal(load('database: postgresql://${USER_A}:${PW}@h/d', {}, { PW: '' }));
    expect(error.problems.map(({ message, location }) => [message, location?.line])).toEqual([
      ['the environment variable USER_A, used in database (.pulsemigraterc:1), is not set', 1],
      ['the environment variable PW, used in database (.pulsemigraterc:1), is not set', 1],
    ]);
  });

  test('of an environment that was not chosen need not be set, and no other key has variables', async () => {
    const settings = await load('dir: ${X}\nenvironments: {e: {database: "${UNSET}"}}', {}, { X: 'x' });
    expect(settings.directoryShown).toBe('${X}');
  });
});

describe('the example file', () => {
  const example = readFileSync(new URL('../../../.pulsemigraterc.example', import.meta.url), 'utf8');

  test('as it is gives the defaults, with an embedded server', async () => {
    const settings = await load(example);
    expect(settings).toMatchObject(defaults);
    expect(place(settings)).toBe('embedded');
  });

  test('with every key switched on names every key there is and is valid', async () => {
    const settings = await load(example.replaceAll(/^( *)#(?=[a-zA-Z]+:)/gm, '$1'));
    const file = /^\.pulsemigraterc:\d+$/;
    expect(Object.entries(settings.origins).filter(([, origin]) => !file.test(origin))).toEqual([]);
    expect(Object.keys(settings.origins).toSorted()).toEqual(configurationKeys.map(({ name }) => name).toSorted());
  });

  test('leads --env production to its own database, protected', async () => {
    const settings = await load(
      example,
      { env: 'production' },
      { PRODUCTION_DATABASE_URL: 'host=prod', DATABASE_URL: 'host=shell' },
    );
    expect([place(settings), settings.protected, settings.backup.policy]).toEqual(['prod', true, 'require']);
  });
});
