import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CsvRow, csvLine, csvRows } from '../../../../src/archive/parquet/csv.ts';

async function rowsOf(parts: readonly Buffer[]): Promise<CsvRow[]> {
  async function* given() {
    yield* parts;
  }
  const rows: CsvRow[] = [];
  for await (const row of csvRows(given())) rows.push(row);
  return rows;
}

/** What makes trouble in CSV, in any mixture. */
const text = fc.string({
  unit: fc.constantFrom('a', ',', '"', '\n', '\r', ' ', '\\', '.', 'é', '𝄞', '\ufeff'),
  maxLength: 6,
});

test('rows that were written as the server does read as they were, wherever the text is cut', async () => {
  const rows = fc
    .integer({ min: 1, max: 4 })
    .chain((columns) =>
      fc.array(fc.array(fc.option(text), { minLength: columns, maxLength: columns }), { maxLength: 6 }),
    );
  await fc.assert(
    fc.asyncProperty(rows, fc.array(fc.nat(40), { maxLength: 5 }), async (written, cuts) => {
      const whole = Buffer.from(written.map((row) => csvLine(row)).join(''));
      const places = [0, ...cuts.map((cut) => Math.min(cut, whole.length)), whole.length].toSorted((a, b) => a - b);
      const parts = places.slice(1).map((end, at) => whole.subarray(places[at], end));
      expect(await rowsOf(parts)).toEqual(written);
    }),
    { numRuns: 300 },
  );
});

test('an end in the middle of a row is no end', async () => {
  await expect(rowsOf([Buffer.from('a,b\n1,"2')])).rejects.toThrow(RangeError);
  await expect(rowsOf([Buffer.from('a,b\n1,2')])).rejects.toThrow(RangeError);
});
