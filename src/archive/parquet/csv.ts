import { StringDecoder } from 'node:string_decoder';

/** A row of the server's CSV: each value as text, null for none. */
export type CsvRow = readonly (string | null)[];

/** The rows of CSV as `COPY … TO STDOUT (FORMAT csv)` writes it, header and all, as they come. */
export async function* csvRows(parts: AsyncIterable<Buffer>): AsyncGenerator<CsvRow> {
  const decoder = new StringDecoder('utf8');
  let text = '';
  for await (const part of parts) {
    text += decoder.write(part);
    let at = 0;
    let quote = text.indexOf('"');
    for (;;) {
      const end = text.indexOf('\n', at);
      if (end < 0) break;
      if (quote >= 0 && quote < at) quote = text.indexOf('"', at);
      if (quote < 0 || quote > end) {
        yield text.slice(at, end).split(',').map(fieldValue);
        at = end + 1;
        continue;
      }
      const row = quotedRow(text, at);
      if (row === null) break;
      yield row.values;
      at = row.end;
    }
    text = text.slice(at);
  }
  if (text !== '' || decoder.end() !== '') throw new RangeError('the CSV ends in the middle of a row');
}

function fieldValue(field: string): string | null {
  return field === '' ? null : field;
}

/** A row with quotes in it, and where the next one begins; null where it does not end in the text. */
function quotedRow(text: string, from: number): { readonly values: CsvRow; readonly end: number } | null {
  const values: (string | null)[] = [];
  let at = from;
  for (;;) {
    if (text[at] === '"') {
      const close = closingQuote(text, at + 1);
      // Behind the last character it cannot be told whether a quote closes or is doubled.
      if (close < 0 || close + 1 >= text.length) return null;
      values.push(text.slice(at + 1, close).replaceAll('""', '"'));
      at = close + 1;
    } else {
      const [comma, line] = [text.indexOf(',', at), text.indexOf('\n', at)];
      const end = comma < 0 || (line >= 0 && line < comma) ? line : comma;
      if (end < 0) return null;
      values.push(fieldValue(text.slice(at, end)));
      at = end;
    }
    if (text[at] === '\n') return { values, end: at + 1 };
    at += 1;
  }
}

function closingQuote(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text[at + 1] !== '"') return at;
  }
  return -1;
}

/** A row as the server writes it. */
export function csvLine(row: CsvRow): string {
  return `${row.map((value) => csvField(value, row.length === 1)).join(',')}\n`;
}

/**
 * A value as the server writes it (CopyAttributeOutCSV in copyto.c): quoted is what is empty, what has a separator, quote
 * or line end in it, and `\.` in a column of its own.
 */
export function csvField(value: string | null, isAlone: boolean): string {
  if (value === null) return '';
  if (value === '' || (isAlone && value === '\\.')) return `"${value}"`;
  return /[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
