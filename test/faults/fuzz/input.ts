import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { argumentsMeant, argumentsMistaken } from './argument-lists.ts';
import { type ConfigurationEntry, configuration, environment, saneConfiguration } from './configurations.ts';
import { connectionFiles, mangledConnection } from './connections.ts';
import { type FolderEntry, folder, plainFolder } from './folders.ts';
import { canary, changed, changesOf, nowhere, rarely } from './values.ts';

/** Everything a command meets: what was typed, its variables, what lies in its directory, who runs it. */
export interface Input {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly configuration: readonly ConfigurationEntry[];
  /** Null: there is none. */
  readonly folder: readonly FolderEntry[] | null;
  /** Somebody for whom rights count, where the tests run as root. */
  readonly ordinaryUser: boolean;
  /** What a person at the terminal types, or null without a terminal. */
  readonly answers: readonly string[] | null;
}

const quietEnvironment = fc.constant({ PGHOST: nowhere, PGPASSWORD: canary });
const nobody = fc.boolean();
const answers = rarely(
  fc.array(fc.constantFrom('', 'y', 'n', '1', '2', '3', 'take', 'x'), { minLength: 5, maxLength: 5 }),
).map((lines) => lines ?? null);
const json = fc.constantFrom([], [], ['--json'], ['--verbose']);

/** `new` reads the whole configuration, the connection too, and connects to nothing: the host may be anything. */
const connections: fc.Arbitrary<Input> = fc
  .tuple(
    mangledConnection,
    fc.constantFrom('flag', 'variable', 'quoted', 'plain'),
    json,
    changesOf(fc.constantFrom(' ', '"', "'", '#', '{', '[', ',', '&'), 1),
    environment,
  )
  .map(([text, place, flags, changes, env]): Input => {
    // A real command line, environment and YAML can hold no NUL.
    const given = text.replaceAll('\0', '');
    const file = place === 'quoted' ? `database: ${JSON.stringify(given)}\n` : `database: ${changed(given, changes)}\n`;
    return {
      argv: ['new', 'x', ...flags, ...(place === 'flag' ? [`--database-url=${given}`] : [])],
      env: { ...env, DATABASE_URL: place === 'variable' ? given : '' },
      configuration:
        place === 'quoted' || place === 'plain' ? [{ kind: 'file', name: '.pulsemigraterc', text: file }] : [],
      folder: null,
      ordinaryUser: false,
      answers: null,
    };
  });

const configurations: fc.Arbitrary<Input> = fc.record({
  argv: argumentsMeant,
  env: environment,
  configuration,
  folder: fc.constant(plainFolder),
  ordinaryUser: nobody,
  answers,
});

const folders: fc.Arbitrary<Input> = fc.record({
  argv: argumentsMeant,
  env: quietEnvironment,
  configuration: fc.oneof(fc.constant([]), saneConfiguration),
  folder,
  ordinaryUser: nobody,
  answers,
});

const argumentLists: fc.Arbitrary<Input> = fc.record({
  argv: argumentsMistaken,
  env: fc.oneof({ weight: 2, arbitrary: quietEnvironment }, { weight: 1, arbitrary: environment }),
  configuration: fc.oneof(fc.constant([]), configuration),
  folder: fc.constantFrom(plainFolder, null),
  ordinaryUser: nobody,
  answers,
});

/** Inputs by what is odd about them. */
export const inputKinds = { connections, configurations, folders, arguments: argumentLists } as const;

/** Nothing odd: what is refused is refused for what the server says. */
const ordinary: fc.Arbitrary<Input> = fc.record({
  argv: argumentsMeant,
  env: quietEnvironment,
  configuration: saneConfiguration,
  folder: fc.constant(plainFolder),
  ordinaryUser: fc.constant(false),
  answers,
});

/** The same, for a server that is there: DATABASE_URL names it where nothing stands above. */
export const inputsForServer: fc.Arbitrary<Input> = fc
  .oneof(ordinary, configurations, folders, argumentLists)
  .map((input) => ({ ...input, env: { ...input.env, PGHOST: nowhere }, ordinaryUser: false }));

/** Puts an input on the disk: `project/` is where the command runs, `files/` in it holds what names may point to. */
export function layOut(directory: string, input: Input): string {
  const project = join(directory, 'project');
  mkdirSync(join(project, 'files'), { recursive: true });
  for (const [name, text] of Object.entries(connectionFiles))
    writeFileSync(join(project, 'files', name), text, { mode: 0o600 });
  writeFileSync(join(project, 'files', 'elsewhere.sql'), 'SELECT 1;');
  writeFileSync(join(project, 'files', 'x.js'), 'throw new Error("executed")');
  if (asksFor(input, 'files/fifo')) place('fifo', join(project, 'files', 'fifo'), '');
  for (const entry of input.configuration) {
    const path = join(project, entry.name);
    if (entry.kind === 'file') place('file', path, Buffer.from(entry.text));
    else place(entry.kind === 'dangling link' ? 'link' : entry.kind, path, 'nowhere');
  }
  if (input.folder !== null) {
    mkdirSync(join(project, 'migrations'));
    for (const { name, kind, content } of input.folder) {
      // Joined as bytes: a name that is not UTF-8 would not survive as text.
      const path = Buffer.concat([Buffer.from(`${join(project, 'migrations')}/`), Buffer.from(name, 'latin1')]);
      if (name !== '' && !name.includes('/')) place(kind, path, Buffer.from(content, 'latin1'));
    }
  }
  return project;
}

/** Making one takes a program, so it is made only where it is met. */
function asksFor({ argv, env, folder: entries }: Input, name: string): boolean {
  return [...argv, ...Object.values(env), ...(entries ?? []).map(({ content }) => content)].some((text) =>
    text.includes(name),
  );
}

function place(kind: FolderEntry['kind'], path: string | Buffer, content: Buffer | string): void {
  try {
    if (typeof path === 'string') mkdirSync(dirname(path), { recursive: true });
    if (kind === 'directory') mkdirSync(path);
    else if (kind === 'link') symlinkSync(content, path);
    else if (kind === 'fifo') execFileSync('mkfifo', ['--', path.toString('utf8')], { stdio: 'ignore' });
    else {
      writeFileSync(path, content, { flag: 'wx' });
      if (kind === 'unreadable') chmodSync(path, 0);
    }
  } catch {
    // Two entries of one name, or a name the file system does not take: then the folder lacks it.
  }
}
