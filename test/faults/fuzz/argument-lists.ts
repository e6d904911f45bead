import fc from 'fast-check';
import { connection } from './connections.ts';
import { oddText } from './values.ts';

/** Every command, with and without its own flags. `embedded` starts servers and has tests of its own. */
const commands: readonly (readonly string[])[] = [
  ['up'],
  ['up', '--to', '0001'],
  ['up', '--to', '99'],
  ['up', '--steps', '1'],
  ['up', '--plan'],
  ['up', '--allow-out-of-order', '--skip-check', 'disk-space'],
  ['up', '--backup-done'],
  ['up', '--backup', 'backups'],
  ['down'],
  ['down', '--i-know'],
  ['down', '--i-know', 'pulse', '--steps', '2'],
  ['down', '--to', '0', '--plan'],
  ['down', '--to', '99', '--i-know'],
  ['redo', '--i-know', '--steps', '1'],
  ['goto', '0001'],
  ['goto', '99', '--i-know'],
  ['goto', '0002', '--i-know'],
  ['status'],
  ['status', '--exit-code'],
  ['history', '--limit', '3'],
  ['diff', '0001'],
  ['new', 'add team budget'],
  ['baseline', '0001'],
  ['baseline', '0001', '--plan'],
  ['baseline', '99'],
  ['repair'],
  ['repair', '--accept', '0001'],
  ['repair', '--accept', '99'],
  ['repair', '--forget', '0001', '0002'],
  ['doctor'],
  ['doctor', '--skip-check', 'disk-space'],
  ['completion', 'bash'],
  ['embedded'],
  ['help'],
  ['help', 'up'],
  [],
];

/** Paths that lie in the project, or to which nothing can be written. */
const paths = [
  'migrations',
  'files',
  'files/none',
  'files/pulse.yaml',
  'files/pulse',
  'files/fifo',
  '/dev/null',
  '/proc',
  '/proc/none/x',
  '.',
  'migrations/0001_a.up.sql',
  'files/x.js',
  'x'.repeat(300),
];
const path = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...paths) }, { weight: 1, arbitrary: oddText });

const numbers = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('1', '2', '0001', '0002', '99') },
  { weight: 2, arbitrary: oddText },
);

function flag(name: string, value: fc.Arbitrary<string>): fc.Arbitrary<readonly string[]> {
  return fc.oneof(
    { weight: 6, arbitrary: value.map((text) => [name, text]) },
    { weight: 2, arbitrary: value.map((text) => [`${name}=${text}`]) },
    // Without its value it takes the next word for it.
    { weight: 1, arbitrary: fc.constant([name]) },
  );
}

const global: fc.Arbitrary<readonly string[]> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(['--json'], ['--quiet'], ['--verbose'], ['--no-color'], ['--yes']) },
  flag('--config', path),
  flag('--env', fc.oneof(fc.constantFrom('production', 'prod'), oddText)),
  flag('--database-url', connection),
  flag('--dir', path),
  flag('--lock-wait', fc.oneof(fc.constantFrom('1s', '0s', '5 m'), oddText)),
  flag('--lock-timeout', fc.oneof(fc.constantFrom('1s', '0s', '5 m'), oddText)),
  flag('--lock-retries', fc.oneof(fc.constantFrom('3', '-1'), oddText)),
);

const own: fc.Arbitrary<readonly string[]> = fc.oneof(
  fc.constantFrom(
    ['--plan'],
    ['--allow-out-of-order'],
    ['--backup-done'],
    ['--exit-code'],
    ['--i-know'],
    ['--help'],
    ['-h'],
    ['--version'],
    ['--'],
    ['-'],
    ['--plann'],
    ['--no-json'],
    ['-j'],
    ['--json=true'],
  ),
  flag('--to', numbers),
  flag('--steps', numbers),
  flag('--limit', numbers),
  flag('--accept', numbers),
  flag('--forget', numbers),
  flag('--skip-check', fc.oneof(fc.constantFrom('disk-space', 'disk-spase', 'backup'), oddText)),
  flag('--backup', path),
  flag('--i-know', fc.oneof(fc.constantFrom('pulse'), oddText)),
);

/** A command that means something, with some of the flags that every command takes. */
export const argumentsMeant: fc.Arbitrary<readonly string[]> = fc
  .tuple(
    fc.constantFrom(...commands),
    fc.subarray(['--json', '--quiet', '--verbose', '--yes', '--no-color'], { maxLength: 2 }),
  )
  .map(([command, flags]) => [...command, ...flags]);

type Shuffle = (words: readonly string[], at: number, word: string) => readonly string[];

const shuffles: readonly Shuffle[] = [
  (words) => words,
  (words) => words,
  (words, at) => words.filter((_word, index) => index !== at % (words.length || 1)),
  (words, at) => words.flatMap((word, index) => (index === at % (words.length || 1) ? [word, word] : [word])),
  (words) => [...words, ...words],
  (words) => words.toReversed(),
  (words, at, word) => words.map((present, index) => (index === at % words.length ? word : present)),
  (words, at, word) => [...words.slice(0, at % (words.length + 1)), word, ...words.slice(at % (words.length + 1))],
];

/** Command lines with flags that are doubled, that contradict, lack their value, have a wrong one or belong elsewhere. */
export const argumentsMistaken: fc.Arbitrary<readonly string[]> = fc
  .tuple(
    fc.constantFrom(...commands),
    fc.array(fc.oneof(global, own), { maxLength: 2 }),
    fc.array(global, { maxLength: 1 }),
    fc.constantFrom(...shuffles),
    fc.nat({ max: 20 }),
    oddText,
  )
  .map(([command, behind, before, shuffle, at, word]) =>
    shuffle([...before.flat(), ...command, ...behind.flat()], at, word),
  );
