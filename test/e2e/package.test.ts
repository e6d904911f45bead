import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { exitCodes } from '../../src/exit-codes.ts';
import { root, runToEnd } from '../support/checkout.ts';
import { type InstalledPackage, test } from '../support/installed-package.ts';
import { loadedBy } from '../support/loaded-by.ts';

const mebibyte = 1024 * 1024;
const colour = /\u001b\[\d+m/;

/** Arguments for the migrations that come with the package. */
const pulse = (installed: InstalledPackage) => ['--dir', join(installed.package, 'migrations')];

async function writeProject(directory: string, files: Readonly<Record<string, string>>): Promise<string> {
  await mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  return directory;
}

describe('the packed package', () => {
  test('holds the program, the declarations of its API and what an operator needs, and nothing else', ({
    installed,
  }) => {
    const { files, size, unpackedSize } = installed.packed;
    const paths = files.map(({ path }) => path);
    const types = paths.filter((path) => path.startsWith('dist/types/'));
    const chunks = paths.filter((path) => /^dist\/chunks\/[\w-]+\.cjs$/.test(path));
    expect(chunks).not.toEqual([]);
    expect(paths.filter((path) => !types.includes(path) && !chunks.includes(path)).sort()).toEqual([
      '.pulsemigraterc.example',
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bin/package.json',
      'bin/pulse-migrate.js',
      'dist/help.txt',
      'dist/index.js',
      'dist/pulse-migrate.cjs',
      'dist/third-party-notices.txt',
      'docs/terminal.svg',
      'migrations/0001_initial_schema.down.sql',
      'migrations/0001_initial_schema.up.sql',
      'package.json',
    ]);
    expect(types.filter((path) => !path.endsWith('.d.ts'))).toEqual([]);
    console.info(`package: ${size} bytes packed, ${unpackedSize} unpacked, ${paths.length} files`);
    expect(size).toBeLessThan(mebibyte);
    expect(unpackedSize).toBeLessThan(6 * mebibyte);
  });

  test('is installed without a network, without scripts, and with no other package', async ({ installed }) => {
    const names = await readdir(join(installed.directory, 'node_modules'));
    expect(names.filter((name) => !name.startsWith('.'))).toEqual(['pulse-migrate']);
    const manifest = JSON.parse(await readFile(join(installed.package, 'package.json'), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
      readonly dependencies?: unknown;
    };
    expect(manifest.dependencies).toBeUndefined();
    expect(Object.keys(manifest.scripts).filter((name) => /^(?:pre|post)?install$/.test(name))).toEqual([]);
  });

  test('names every library it contains with its licence, and speaks the protocols of the web to S3 alone', async ({
    installed,
  }) => {
    const dist = join(installed.package, 'dist');
    const chunks = (await readdir(join(dist, 'chunks'))).map((name) => join('chunks', name));
    const [notices, ...parts] = await Promise.all(
      ['third-party-notices.txt', 'pulse-migrate.cjs', ...chunks].map((name) => readFile(join(dist, name), 'utf8')),
    );
    const program = parts.join('\n');
    const inside = new Set(
      [...program.matchAll(/"[^"\n]*?node_modules\/((?:@[^/"\n]+\/)?[^/"\n]+)\/[^"\n]*"\(/g)].map(([, name]) => name),
    );
    // Only packages that are CommonJS leave their names in the program.
    expect([...inside]).toEqual(expect.arrayContaining(['commander', 'cosmiconfig', 'yaml']));
    for (const name of [...inside, 'diff', 'kleur', 'ora', 'postgres'])
      expect(notices).toMatch(new RegExp(`^${name} \\d\\S* \\(.+\\)$`, 'm'));
    const others = parts.filter((part) => !/node_modules\/@(?:aws-sdk|smithy)\//.test(part)).join('\n');
    expect(others.length).toBeGreaterThan(program.length / 2);
    expect(others).not.toMatch(
      /require\(["'](?:node:)?(?:https?|http2|dgram)["']\)|\bfetch\(|\bXMLHttpRequest\b|\bWebSocket\b/,
    );
  });

  test('gives TypeScript the types of its API', async ({ installed }) => {
    const directory = await writeProject(installed.directory, {
      'use.ts': `import { connect, loadSettings, PulseError, readFolder, readLedger, status, type UpResult } from 'pulse-migrate';
export async function pending(): Promise<number> {
  const settings = await loadSettings({}, { cwd: '.', env: {}, homeDirectory: null, userName: null });
  if (settings.database.kind !== 'server') throw new PulseError('usage', 'a server is wanted');
  await using session = await connect(settings.database.parameters);
  const options = { directory: '/m', shown: 'm', requireDown: true, allowEmpty: false, transaction: 'strict' } as const;
  return status(await readFolder(options), await readLedger(session, settings.ledgerSchema)).pending;
}
export const versions = (result: UpResult): string[] => result.applied.map(({ version }) => version);
// @ts-expect-error: a number is not the result of an up
export const wrong: UpResult = 1;
`,
    });
    const typeRoots = join(root, 'node_modules/@types');
    const compiler = [
      join(root, 'node_modules/typescript/bin/tsc'),
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2022',
    ];
    const run = await runToEnd(
      process.execPath,
      [...compiler, '--lib', 'es2023,esnext.disposable', '--types', 'node', '--typeRoots', typeRoots, 'use.ts'],
      { cwd: directory, env: installed.env },
    );
    expect(run).toMatchObject({ exitCode: 0, stdout: '' });
  });
});

describe('the installed program', () => {
  test('tells its version, and helps with examples first and every exit code', async ({ installed }) => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { readonly version: string };
    expect(await installed.run(['--version'])).toMatchObject({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
    const help = await installed.run(['--help']);
    expect(help).toMatchObject({ exitCode: 0, stderr: '' });
    expect(help.stdout).toMatch(/^Examples:\n {2}pulse-migrate /);
    for (const [code, meaning] of exitCodes) expect(help.stdout).toContain(`  ${code.padEnd(14)}${meaning}`);
  });

  test.for(['--version', '--help'])('%s loads nothing but the first file', async (argument, { installed }) => {
    const { libraries, modules, chunks } = await loadedBy(installed, [argument], 0);
    expect([...libraries, ...chunks]).toEqual([]);
    expect(modules.filter((name) => /^NativeModule (?:net|tty|stream|os)$/.test(name))).toEqual([]);
  });

  test.for([
    [['up', '--help'], 0],
    [['--help', '--no-color'], 0],
    [['upp'], 2],
    [['up', '--stepz', '1'], 2],
  ] as const)(
    '%j loads neither the driver nor the search for a configuration, and nothing of TLS',
    async ([argv, exitCode], { installed }) => {
      const { libraries, modules, chunks } = await loadedBy(installed, argv, exitCode);
      expect(libraries).toEqual(['commander']);
      expect(chunks).toEqual(['program']);
      expect(modules.filter((name) => /^NativeModule (?:tls|dns|crypto|child_process)$/.test(name))).toEqual([]);
    },
  );

  test('a command that connects loads few files, and nothing to read a configuration file where there is none', async ({
    installed,
    database,
  }) => {
    const { libraries, modules, chunks } = await loadedBy(installed, ['status', '--database-url', database.url], 0);
    expect(libraries).toEqual(['commander']);
    expect(chunks.sort()).toEqual(['connecting', 'program', 'settings']);
    expect(modules.filter((name) => /^NativeModule (?:tls|perf_hooks|child_process|readline)$/.test(name))).toEqual([]);
  });

  test('what reads a configuration file is loaded where there is one', async ({ installed, database }) => {
    const file = join(
      await writeProject(join(installed.directory, 'configured'), { 'c.yaml': 'order: text' }),
      'c.yaml',
    );
    const argv = ['status', '--config', file, '--database-url', database.url];
    const { libraries } = await loadedBy(installed, argv, 0);
    expect(libraries).toEqual(expect.arrayContaining(['commander', 'cosmiconfig', 'yaml']));
  });

  test('the short ways to --version and --help say what the whole program says, wherever it goes', async ({
    installed,
  }) => {
    const said = async (argv: string[], env?: Record<string, string>) => (await installed.run(argv, env)).stdout;
    const help = await said(['--help']);
    // With another flag it is rendered anew.
    expect(await said(['--help', '--json'])).toBe(help);
    expect(await said(['--help'], { FORCE_COLOR: '1', COLUMNS: '200' })).toBe(help);
    expect(await said(['--version', '--json'])).toBe(await said(['--version']));
    for (const flag of ['--version', '--help']) {
      const program = join(installed.package, 'bin/pulse-migrate.js');
      const line = `{ "$0" ${flag}; echo $? >&2; } | true; "$0" ${flag} >/dev/full`;
      const run = await runToEnd('sh', ['-c', line, program], { cwd: installed.directory, env: installed.env });
      expect(run.stderr).toMatch(/^0\nstandard output is incomplete: ENOSPC/);
    }
  });

  test('applies, shows and undoes the migrations it comes with', async ({ installed, database }) => {
    const env = { DATABASE_URL: database.url };
    const tables = async () =>
      (
        await database.admin(
          `SELECT FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace`,
        )
      ).length;
    const up = await installed.run(['up', ...pulse(installed)], env);
    expect(up.exitCode).toBe(0);
    expect(up.stdout).toMatch(
      /^\S+ applied {2}0001_initial_schema [\d.]+ m?s\n1 migration applied; nothing is pending\.\n$/,
    );
    expect(await tables()).toBe(18);
    expect((await installed.run(['up', ...pulse(installed)], env)).stdout).toBe(
      'Nothing to do: every migration is applied.\n',
    );
    expect((await installed.run(['status', ...pulse(installed)], env)).stdout).toMatch(
      /^applied {2}0001_initial_schema .*\n1 applied, 0 pending\n$/,
    );
    const down = await installed.run(['down', '--i-know', '--backup-done', ...pulse(installed)], env);
    expect(down).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('1 migration reverted; 0 migrations still applied.'),
    });
    expect(await tables()).toBe(0);
  });

  test('answers with one JSON document whose fields are the agreed ones', async ({ installed, database }) => {
    const env = { DATABASE_URL: database.url };
    const at = pulse(installed);
    const step = { version: '0001', name: 'initial_schema', durationMs: expect.any(Number) };
    const up = (await installed.run(['up', '--json', ...at], env)).json();
    expect(up).toMatchObject({ formatVersion: 1, command: 'up', ok: true, exitCode: 0 });
    expect(up.result).toEqual({ applied: [step], pending: [] });
    const status = (await installed.run(['status', '--json', ...at], env)).json<{ migrations: unknown[] }>();
    expect(status.result.migrations).toEqual([
      expect.objectContaining({
        ...step,
        state: 'applied',
        appliedAt: expect.stringMatching(/^\d{4}-.*Z$/),
        appliedBy: expect.any(String),
      }),
    ]);
    const doctor = (await installed.run(['doctor', '--json', ...at], env)).json<{ checks: { id: string }[] }>();
    expect(doctor.result.checks.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['server-version', 'pgcrypto', 'disk-space', 'backup', 'prisma']),
    );
    for (const check of doctor.result.checks) {
      expect(check).toEqual(
        expect.objectContaining({
          outcome: expect.stringMatching(/^(ok|warning|failure|unknown)$/),
          message: expect.any(String),
        }),
      );
      expect(check).toHaveProperty('hint');
    }
    const refused = await installed.run(['down', '--json', ...at], env);
    expect(refused.exitCode).toBe(8);
    expect(refused.json()).toMatchObject({
      command: 'down',
      ok: false,
      exitCode: 8,
      error: { code: 'confirmation-needed' },
    });
  });

  test('ends with the exit code of what happened, and says it on standard error alone', async ({
    installed,
    database,
  }) => {
    const env = { DATABASE_URL: database.url };
    const broken = await writeProject(join(installed.directory, 'broken'), {
      '0001_a.up.sql': 'CREATE TABLE a (id int);\nSELECT * FROM nowhere;\n',
      '0001_a.down.sql': 'DROP TABLE a;\n',
    });
    const unreachable = { DATABASE_URL: 'postgresql://nobody@127.0.0.1:9/nothing' };
    const cases = [
      { argv: ['status', '--frobnicate'], env, exitCode: 2, told: '--frobnicate' },
      { argv: ['status', ...pulse(installed)], env: unreachable, exitCode: 3, told: '127.0.0.1' },
      { argv: ['up', '--dir', broken], env, exitCode: 5, told: '0001_a.up.sql:2:15' },
    ];
    for (const { argv, env: given, exitCode, told } of cases) {
      const run = await installed.run(argv, given);
      expect(run).toMatchObject({ exitCode, stdout: '', stderr: expect.stringContaining(told) });
    }
    const pending = await installed.run(['status', '--exit-code', '--quiet', '--dir', broken], env);
    expect(pending).toMatchObject({ exitCode: 1, stdout: '' });
  });

  test('colours nothing in a pipe unless asked to, and NO_COLOR and --no-color win', async ({
    installed,
    database,
  }) => {
    const env = { DATABASE_URL: database.url };
    const status = (more: Readonly<Record<string, string>>, ...flags: readonly string[]) =>
      installed.run(['status', ...pulse(installed), ...flags], { ...env, ...more });
    expect((await status({})).stdout).not.toMatch(colour);
    expect((await status({ FORCE_COLOR: '1' })).stdout).toMatch(colour);
    expect((await status({ FORCE_COLOR: '1', NO_COLOR: 'yes' })).stdout).not.toMatch(colour);
    expect((await status({ FORCE_COLOR: '1' }, '--no-color')).stdout).not.toMatch(colour);
  });

  test('applies everything and ends with 0 when nobody reads what it prints', async ({ installed, database }) => {
    const child = spawn(join(installed.directory, 'node_modules/.bin/pulse-migrate'), ['up', ...pulse(installed)], {
      cwd: installed.directory,
      env: { ...installed.env, DATABASE_URL: database.url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    child.stderr.destroy();
    const ended = await new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
    expect(ended).toEqual({ code: 0, signal: null });
    expect(await database.admin('SELECT version FROM pulse_migrate.applied')).toEqual([{ version: '0001' }]);
  });
});
