import { expect, test } from 'vitest';
import { styleFor, wantsColour } from '../../../src/cli/style.ts';

type Env = Readonly<Record<string, string>>;

const streamOf = (isTerminal: boolean) => ({ isTerminal, terminal: null, columns: 80, isGone: false, write: () => {} });

const decisions: readonly (readonly [
  situation: string,
  isTerminal: boolean,
  env: Env,
  flag: boolean,
  colour: boolean,
])[] = [
  ['a terminal', true, {}, false, true],
  ['a pipe', false, {}, false, false],
  ['a terminal with --no-color', true, {}, true, false],
  ['a terminal with NO_COLOR=1', true, { NO_COLOR: '1' }, false, false],
  ['a terminal with NO_COLOR=0, because any value counts', true, { NO_COLOR: '0' }, false, false],
  ['a terminal with an empty NO_COLOR', true, { NO_COLOR: '' }, false, true],
  ['a pipe with FORCE_COLOR=1', false, { FORCE_COLOR: '1' }, false, true],
  ['a pipe with an empty FORCE_COLOR', false, { FORCE_COLOR: '' }, false, true],
  ['a terminal with FORCE_COLOR=0', true, { FORCE_COLOR: '0' }, false, false],
  ['a pipe with FORCE_COLOR and NO_COLOR', false, { FORCE_COLOR: '1', NO_COLOR: '1' }, false, false],
  ['a pipe with FORCE_COLOR and --no-color', false, { FORCE_COLOR: '1' }, true, false],
  ['a dumb terminal', true, { TERM: 'dumb' }, false, false],
  ['a dumb terminal with FORCE_COLOR', true, { TERM: 'dumb', FORCE_COLOR: '1' }, false, true],
];

test.for(decisions)('%s decides about colour', ([, isTerminal, env, flag, colour]) => {
  const stream = streamOf(isTerminal);

  expect(wantsColour(stream, env, flag)).toBe(colour);
  expect(styleFor(stream, env, flag).bad('x')).toBe(colour ? '\u001b[31mx\u001b[39m' : 'x');
});

test('each stream decides for itself, whatever the other one does', () => {
  const coloured = styleFor(streamOf(true), {}, false);
  const plain = styleFor(streamOf(false), {}, false);

  expect(plain.good('x')).toBe('x');
  expect(coloured.good('x')).toBe('\u001b[32mx\u001b[39m');
});

const symbols: readonly (readonly [env: Env, done: string])[] = [
  [{}, '✔'],
  [{ LANG: 'de_DE.UTF-8' }, '✔'],
  [{ LANG: 'C' }, 'ok'],
  [{ LC_ALL: 'POSIX', LANG: 'en_US.UTF-8' }, 'ok'],
  [{ LANG: 'en_US.UTF-8', TERM: 'linux' }, 'ok'],
];

test.for(symbols)('symbols fit what the terminal can show: %o', ([env, done]) => {
  expect(styleFor(streamOf(true), env, true).symbols.done).toBe(done);
});
