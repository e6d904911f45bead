// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the configuration's own notation
import fc from 'fast-check';

/** Stands where a password stands; no six letters of it may ever be shown. */
export const canary = 'Kq7zVw9Xp4Jm2Rt';

/** Nobody listens there, and no name has to be looked up. */
export const nowhere = '/nowhere/at-all';

/** Texts that a shell, a template or a cat on the keyboard puts where something else was meant. None leads out of a folder. */
const oddities = [
  '',
  ' ',
  '\t\n',
  '0',
  '-1',
  '1',
  '1e3',
  '0x10',
  'NaN',
  'Infinity',
  '99999999999999999999',
  '999999999999999999999999',
  '0000000000000000000000001',
  'true',
  'null',
  'undefined',
  '[object Object]',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  '5m',
  '-5m',
  '99999999999h',
  '1.5s',
  'x',
  'ü€𝄞',
  'Ａ',
  '‮gpj',
  '\u001b[31mred\u001b[0m',
  'line\nfeed',
  "it's",
  '"quoted"',
  '$(id)',
  '`id`',
  '${HOME}',
  '${',
  '$${x}',
  '%s%n',
  '%00',
  '%',
  ';',
  'a;b',
  'a=b',
  '=',
  '-',
  '-x',
  '*',
  '.',
  'pg_catalog',
  'information_schema',
  'pulse_migrate',
  'x'.repeat(63),
  'ü'.repeat(32),
  'x'.repeat(300),
  'x'.repeat(5000),
  '(((((((((((((((',
  '[[[[[[[[[[[[[[[[',
] as const;

export const oddText: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...oddities) },
  // A slash could lead out of the project, and no argument or variable can hold NUL.
  {
    weight: 1,
    arbitrary: fc
      .string({ unit: 'binary', maxLength: 12 })
      .map((text) => text.replaceAll(/[/\0]|\.\.|\p{Surrogate}/gu, '_')),
  },
);

/** Now and then the value, else nothing. */
export function rarely<Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> {
  return fc.oneof({ weight: 7, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
}

/** One random change of a text. */
export interface Change {
  readonly at: number;
  readonly removed: number;
  readonly added: string;
}

/** Up to `most` changes that take out, put in or both. */
export function changesOf(added: fc.Arbitrary<string>, most: number): fc.Arbitrary<readonly Change[]> {
  const change = fc.record({
    at: fc.noShrink(fc.nat({ max: 1_000_000 })),
    removed: fc.constantFrom(0, 0, 0, 1, 1, 2, 5, 20),
    added: fc.oneof(fc.constant(''), added),
  });
  return fc.array(change, { minLength: 1, maxLength: most });
}

export function changed(text: string, changes: readonly Change[]): string {
  return changes.reduce((rest, { at, removed, added }) => {
    const place = at % (rest.length + 1);
    return rest.slice(0, place) + added + rest.slice(place + removed);
  }, text);
}
