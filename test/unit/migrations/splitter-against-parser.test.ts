import fc from 'fast-check';
import { loadModule } from 'libpg-query';
import { beforeAll, expect, test } from 'vitest';
import { compareWithParser } from '../../support/against-parser.ts';
import { damagedFile, generatedFile, sharpSoup } from '../../support/sql-arbitraries.ts';

/** The splitter is held against PostgreSQL's own parser in small; test/faults/fuzz-files.test.ts does it at length. */

beforeAll(loadModule);

/** Compares many files; how many of them the parser accepted. */
function acceptedOf(files: fc.Arbitrary<string>, numRuns: number): number {
  let accepted = 0;
  fc.assert(
    fc.property(files, (text) => {
      const { theirs, difference } = compareWithParser(text);
      expect(difference, text).toBeNull();
      if (theirs !== null) accepted++;
    }),
    { numRuns },
  );
  return accepted;
}

test('statements of generated files are cut where the parser of PostgreSQL cuts them', () => {
  expect(acceptedOf(generatedFile, 2500), 'most are valid SQL, or this test proves little').toBeGreaterThan(1500);
});

test('files with random damage are cut alike whenever the parser of PostgreSQL still accepts them', () => {
  expect(acceptedOf(damagedFile, 5000), 'some damaged files are still valid SQL').toBeGreaterThan(300);
});

test('any run of sharp characters that the parser accepts is cut alike', () => {
  expect(acceptedOf(sharpSoup, 3000)).toBeGreaterThan(0);
});
