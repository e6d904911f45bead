import { join, posix } from 'node:path';
import { expect, test } from 'vitest';

interface Chunk {
  readonly name: string;
  readonly code: string;
  readonly imports: readonly string[];
  readonly entryPoint?: string;
}

const { joinChunks } = (await import(join(import.meta.dirname, '../../scripts/join-chunks.mjs'))) as {
  joinChunks(
    chunks: readonly Chunk[],
    groups: readonly { readonly file: string; readonly entryPoints: readonly string[] }[],
  ): { readonly name: string; readonly text: string }[];
};

const chunk = (name: string, code: string, imports: string[] = [], entryPoint?: string): Chunk => ({
  name,
  code: `${code};trace.push(${JSON.stringify(name)});`,
  imports,
  ...(entryPoint !== undefined && { entryPoint }),
});

const shared = chunk('chunks/shared.cjs', 'exports.value = 1');
const start = chunk(
  'start.cjs',
  'exports.main = () => require("./chunks/late.cjs").sum() + require("./chunks/rare.cjs").value',
  [],
  'start.ts',
);
const late = chunk(
  'chunks/late.cjs',
  'const shared = require("./shared.cjs"), own = require("./own.cjs"); exports.sum = () => shared.value + own.value',
  ['chunks/shared.cjs', 'chunks/own.cjs'],
  'late.ts',
);
const own = chunk('chunks/own.cjs', 'exports.value = require("./shared.cjs").value + 1', ['chunks/shared.cjs']);
const rare = chunk('chunks/rare.cjs', 'exports.value = 10 * require("./own.cjs").value', ['chunks/own.cjs'], 'rare.ts');

/** Runs files as Node would; gives what the first one exports, and which files and chunks ran, in turn. */
function run(files: readonly { name: string; text: string }[], first: string) {
  const trace: string[] = [];
  const loaded = new Map<string, { exports: Record<string, unknown> }>();
  const load = (name: string) => {
    const known = loaded.get(name);
    if (known) return known.exports;
    const file = files.find((candidate) => candidate.name === name);
    if (file === undefined) throw new Error(`there is no ${name}`);
    const module = { exports: {} };
    loaded.set(name, module);
    const require = (path: string) => load(posix.join(posix.dirname(name), path));
    new Function('module', 'exports', 'require', 'trace', file.text)(module, module.exports, require, trace);
    return module.exports;
  };
  return { exports: load(first) as { main(): number }, trace, loaded: () => [...loaded.keys()] };
}

test('chunks of a group become one file, which is loaded when one of them is wanted, and each runs once', () => {
  const files = joinChunks(
    [start, late, shared, own, rare],
    [
      { file: 'start.cjs', entryPoints: ['start.ts'] },
      { file: 'chunks/later-[hash].cjs', entryPoints: ['late.ts'] },
    ],
  );
  const names = files.map(({ name }) => name);
  expect(names).toEqual(['start.cjs', expect.stringMatching(/^chunks\/later-[A-Z0-9]{8}\.cjs$/), 'chunks/rare.cjs']);

  const program = run(files, 'start.cjs');
  expect(program.loaded()).toEqual(['start.cjs']);
  expect(program.exports.main()).toBe(23);
  expect(program.loaded()).toEqual(names);
  expect(program.trace).toEqual([
    'start.cjs',
    'chunks/shared.cjs',
    'chunks/own.cjs',
    'chunks/late.cjs',
    'chunks/rare.cjs',
  ]);
});

test('a file is named by what is in it', () => {
  const nameOf = (code: string) =>
    joinChunks([chunk('a.cjs', code, [], 'a.ts')], [{ file: 'all-[hash].cjs', entryPoints: ['a.ts'] }])[0]?.name;

  expect(nameOf('exports.a = 1')).toBe(nameOf('exports.a = 1'));
  expect(nameOf('exports.a = 1')).not.toBe(nameOf('exports.a = 2'));
});

test('a group that names a source which is not loaded by itself is refused', () => {
  expect(() => joinChunks([shared], [{ file: 'x.cjs', entryPoints: ['gone.ts'] }])).toThrow(
    'gone.ts is not loaded by itself any more',
  );
});
