/** Rows that make a file too large to be kept in memory, each with characters of one, two, three and four bytes. */
const row = (id: number) => `(${id}, 'é€𝄞 row ${id} ${'x'.repeat(80)}')`;

const rowsOfStatement = 500;

/** How many rows `manyInserts` and `manyRows` have: some 2.5 MB. */
export const rowsOfLargeFile = 20_000;

/** INSERTs into `t (id int, note text)` of all the rows, some hundreds of them at a time. */
export function manyInserts(): string {
  const statements: string[] = [];
  for (let from = 1; from <= rowsOfLargeFile; from += rowsOfStatement) {
    const rows = Array.from({ length: rowsOfStatement }, (_, index) => row(from + index));
    statements.push(`INSERT INTO t VALUES ${rows.join(',\n')};\n`);
  }
  return statements.join('');
}

/** The same rows as data of a COPY, with the line behind them. */
export function manyRows(): string {
  const rows = Array.from(
    { length: rowsOfLargeFile },
    (_, index) => `${index + 1}\té€𝄞 row ${index + 1} ${'x'.repeat(80)}\n`,
  );
  return `${rows.join('')}\\.\n`;
}
