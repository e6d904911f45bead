import type { Invocation } from '../cli.ts';
import { type Sheet, type SheetFormat, writtenSheet } from '../render/sheet.ts';

/** The sheets of a report as its text. CSV has no place for notes: they go to standard error, so that nothing looks whole that is not. */
export function shownSheets(invocation: Invocation, format: SheetFormat, sheets: readonly Sheet[]): string {
  const { global, style, runtime } = invocation;
  if (global.quiet) return '';
  if (format === 'csv' && !global.json) {
    for (const note of sheets.flatMap(({ notes }) => notes)) runtime.stderr.write(`${note}\n`);
  }
  return sheets.map((sheet) => writtenSheet(sheet, format, style, runtime.stdout)).join('\n');
}
