import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { root } from '../../support/checkout.ts';
import { damagedFile, generatedFile, sharpCharacters, sharpSoup } from '../../support/sql-arbitraries.ts';

/** Files as byte strings: in these texts every character stands for one byte. */
type Bytes = string;

const ofText = (text: string): Bytes => Buffer.from(text, 'utf8').toString('latin1');

/** Files that people run: a dump with data, our own first migration, folders of other tools. */
const realFiles = [
  'test/fixtures/pg-dump',
  'migrations',
  'test/fixtures/golang-migrate',
  'test/fixtures/messy',
].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.sql'))
    .map((name) => readFileSync(join(root, folder, name)).toString('latin1')),
);

/** Their paragraphs with the gaps between them, file by file: whole files are too long to draw a hundred thousand of. */
const paragraphs = realFiles.map((file) => file.split(/(?<=\n\r?\n)(?=\S)/)).filter((parts) => parts.length > 0);

/** Up to four neighbouring paragraphs of one file. */
const piece: fc.Arbitrary<Bytes> = fc
  .constantFrom(...paragraphs)
  .chain((parts) => fc.tuple(fc.constant(parts), fc.nat({ max: parts.length - 1 }), fc.integer({ min: 1, max: 4 })))
  .map(([parts, from, count]) => parts.slice(from, from + count).join(''));

const insertions: readonly Bytes[] = [
  ...sharpCharacters.map(ofText),
  ...[
    "'",
    '"',
    '$$',
    '$tag$',
    '$_$',
    '/*',
    '*/',
    '--',
    ';',
    '\r\n',
    '\r',
    '\n',
    '\v',
    '\u00a0',
    '\ufeff',
    '€',
    '𝄞',
    ' /* ; */ ',
    " -- it's ;\n",
    " 'a;b' ",
    '; select 1; ',
    ";\ncopy t (a) from stdin;\n1\tit's; $$\n\\.\n",
    '\n\\.\n',
    '\\restrict x\n',
    '\\connect y\n',
    ' begin atomic ',
    " create function f() returns int begin atomic select ';'; end; ",
    ' do $x$ begin commit; end $x$; ',
    '; commit; ',
    'begin;\n',
    '; vacuum; ',
    '\n-- pulse: no-transaction\n',
    '-- pulse: lock-timeout 2s\n',
    "E'\\'",
    "U&'",
    '(',
    ')',
  ].map(ofText),
  // What no UTF-8 text holds.
  '\0',
  '\xff',
  '\xc3',
  '\xed\xa0\x80',
  '\xf4\x90\x80\x80',
];

interface Edit {
  readonly at: number;
  /** Go to the next place between two words, where much can be put in without harm. */
  readonly between: boolean;
  readonly kind: 'insert' | 'remove' | 'swap' | 'repeat' | 'end here';
  readonly length: number;
  readonly inserted: Bytes;
}

/** Put between two words these mostly leave valid SQL valid, with its ends elsewhere. */
const gentleInsertions: readonly Bytes[] = [
  ' /* ; */ ',
  " -- it's ; $$\n",
  ' /* /* " */ ; */ ',
  '\r\n',
  '\t\f\v',
  ' --\r',
  '\n-- pulse: no-transaction\n',
  '-- €𝄞;\n',
].map(ofText);

const gentleEdit: fc.Arbitrary<Edit> = fc.record({
  at: fc.noShrink(fc.nat({ max: 1_000_000 })),
  between: fc.constant(true),
  kind: fc.constant('insert'),
  length: fc.constant(0),
  inserted: fc.constantFrom(...gentleInsertions),
});

const roughEdit: fc.Arbitrary<Edit> = fc.record({
  at: fc.noShrink(fc.nat({ max: 1_000_000 })),
  between: fc.boolean(),
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant('insert' as const) },
    { weight: 3, arbitrary: fc.constant('remove' as const) },
    { weight: 2, arbitrary: fc.constantFrom('swap' as const, 'repeat' as const) },
    { weight: 1, arbitrary: fc.constant('end here' as const) },
  ),
  length: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 60 })),
  inserted: fc.constantFrom(...insertions),
});

/** Half of the files keep what they say. */
const edits = fc.oneof(
  fc.array(gentleEdit, { maxLength: 4 }),
  fc.array(fc.oneof(gentleEdit, roughEdit), { minLength: 1, maxLength: 3 }),
);

function edited(text: Bytes, { at, between, kind, length, inserted }: Edit): Bytes {
  let place = at % (text.length + 1);
  if (between) while (place < text.length && !/[\s;]/.test(text.charAt(place))) place++;
  const [before, after] = [text.slice(0, place), text.slice(place)];
  switch (kind) {
    case 'insert':
      return before + inserted + after;
    case 'remove':
      return before + after.slice(length);
    case 'swap':
      return before + after.slice(1, 2) + after.slice(0, 1) + after.slice(2);
    case 'repeat':
      return before + after.slice(0, length) + after;
    case 'end here':
      return before;
  }
}

const spellings: readonly ((text: Bytes) => Bytes)[] = [
  (text) => text.replaceAll(/\r?\n/g, '\r\n'),
  (text) => text.replaceAll(/\r?\n/g, '\r'),
  (text) => `\xef\xbb\xbf${text}`,
  (text) => text.toLowerCase(),
  (text) => Buffer.from(`\ufeff${text}`, 'utf16le').toString('latin1'),
];
const spelling = fc.oneof(
  { weight: 12, arbitrary: fc.constant((text: Bytes) => text) },
  { weight: 3, arbitrary: fc.constantFrom(...spellings) },
);

const toBytes = (text: Bytes): Uint8Array => Buffer.from(text, 'latin1');

/** Real files in pieces, with a few bytes changed. */
const realistic = fc
  .tuple(fc.array(piece, { minLength: 1, maxLength: 2 }), edits, spelling)
  .map(([pieces, changes, spell]) => toBytes(spell(changes.reduce(edited, pieces.join('')))));

/** Valid SQL of any shape, with a few bytes changed. */
const shaped = fc
  .tuple(fc.oneof(generatedFile, damagedFile), edits, spelling)
  .map(([text, changes, spell]) => toBytes(spell(changes.reduce(edited, ofText(text)))));

/** Bytes that are hardly ever SQL. */
const noise = fc.oneof(
  sharpSoup.map((text) => toBytes(ofText(text))),
  fc.uint8Array({ maxLength: 200 }),
  fc.array(fc.constantFrom(...insertions), { maxLength: 30 }).map((parts) => toBytes(parts.join(''))),
);

/** Files by the way they are drawn. */
export const fileKinds = { realistic, shaped, noise } as const;
