import fc from 'fast-check';

/** What a folder holds, its names as bytes in latin1 since not all of them are UTF-8. */
export interface FolderEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'link' | 'fifo' | 'unreadable';
  /** What a file holds (bytes as latin1), or where a link leads. */
  readonly content: string;
}

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

const words = [
  'a',
  'B.v2',
  'add-x',
  'ü',
  '€𝄞',
  "it's",
  'a b',
  '\u001b[31m',
  'line\nfeed',
  '..',
  '%s',
  '$(id)',
  '‮x',
  'x'.repeat(230),
  'a.up',
  'up',
  ' ',
].map(bytes);
const notUtf8 = ['\xff', 'caf\xe9', '\xed\xa0\x80', '\xc3'];
const versions = [
  '1',
  '2',
  '0001',
  '0002',
  '10',
  '9',
  '00000000000000000000',
  '18446744073709551616',
  '99999999999999999999',
  '20260102030405',
  '000000000000000000001',
  '-1',
  '1.5',
  '0x1',
  '١',
  '',
].map(bytes);
const endings = [
  '.up.sql',
  '.down.sql',
  '.up.sql',
  '.down.sql',
  '.sql',
  '.UP.SQL',
  '.up.sql~',
  '.up',
  '',
  '.up.sql.bak',
  '_up.sql',
  '.down',
];

const name = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        fc.constantFrom(...versions),
        fc.constantFrom('_', '_', '_', '-', '__', ''),
        fc.oneof(
          { weight: 6, arbitrary: fc.constantFrom(...words) },
          { weight: 1, arbitrary: fc.constantFrom(...notUtf8) },
        ),
        fc.constantFrom(...endings),
      )
      .map((parts) => parts.join('')),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '.hidden.up.sql',
      'V1__flyway.sql',
      'R__x.sql',
      '.#0001_a.up.sql',
      'README.md',
      '\xff.sql',
      'x.sql',
      ' .sql',
      '-.sql',
    ),
  },
);

const texts = [
  'SELECT 1;\n',
  'CREATE TABLE t (id int);\n',
  'DROP TABLE IF EXISTS t;\n',
  '',
  '-- only a comment\n',
  '-- pulse: irreversible because\n',
  '-- pulse: no-transaction\nSELECT 1;\n',
  '-- pulse: nonsense\nSELECT 1;\n',
  '-- pulse: lock-timeout 1 fortnight\nSELECT 1;\n',
  'SELEC 1;\n',
  "SELECT 'no end;\n",
  'COMMIT;\n',
  'BEGIN;\nSELECT 1;\nCOMMIT;\n',
  'SELECT 1/0;\n',
  'CREATE INDEX CONCURRENTLY ON t (id);\n',
  '\\connect x\n',
  '\0',
  '\xff\xfe',
  '\xef\xbb\xbfSELECT 1;\r\n',
  'COPY t FROM stdin;\n1\n\\.\n',
  `SELECT '${'x'.repeat(100_000)}';\n`,
];
const targets = [
  'nowhere',
  '../files/elsewhere.sql',
  '.',
  '..',
  '0001_a.up.sql',
  '/dev/null',
  '/dev/zero',
  '/nowhere/at-all',
  '../files/fifo',
  'loop.up.sql',
];

const entry: fc.Arbitrary<FolderEntry> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ name, kind: fc.constant('file' as const), content: fc.constantFrom(...texts) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ name, kind: fc.constant('link' as const), content: fc.constantFrom(...targets) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      name,
      kind: fc.constantFrom('directory' as const, 'fifo' as const, 'unreadable' as const),
      content: fc.constant(''),
    }),
  },
);

const pair: readonly FolderEntry[] = [
  { name: '0001_a.up.sql', kind: 'file', content: 'CREATE TABLE a (id int);\n' },
  { name: '0001_a.down.sql', kind: 'file', content: 'DROP TABLE a;\n' },
];

/** A folder that is in order. */
export const plainFolder: readonly FolderEntry[] = [
  ...pair,
  { name: '0002_b.up.sql', kind: 'file', content: 'CREATE TABLE b (id int);\n' },
  { name: '0002_b.down.sql', kind: 'file', content: 'DROP TABLE b;\n' },
];

/** Pairs that are in order, whatever their words are; their numbers are all of one width. */
const goodPairs: fc.Arbitrary<readonly FolderEntry[]> = fc
  .uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 3 })
  .chain((numbers) =>
    fc.tuple(
      fc.constant(numbers),
      fc.constantFrom('', '000', '1844674407370955161'),
      fc.constantFrom(...words.filter((word) => word.length < 100 && !/[\u001b\n]/.test(word))),
    ),
  )
  .map(([numbers, zeros, word]) =>
    numbers.flatMap((number): FolderEntry[] => [
      { name: `${zeros}${number}_${word}.up.sql`, kind: 'file', content: `CREATE TABLE t${number} (id int);\n` },
      { name: `${zeros}${number}_${word}.down.sql`, kind: 'file', content: `DROP TABLE t${number};\n` },
    ]),
  );

/** A folder with anything in it, good pairs among it more often than not; null where there is none. */
export const folder: fc.Arbitrary<readonly FolderEntry[] | null> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc
      .tuple(fc.constantFrom(pair, pair, []), fc.array(entry, { maxLength: 3 }))
      .map((parts) => parts.flat()),
  },
  { weight: 5, arbitrary: goodPairs },
  { weight: 1, arbitrary: fc.constant(null) },
);
