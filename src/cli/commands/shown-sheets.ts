import type { Invocation } from '../cli.ts';
import { moment } from '../render/format.ts';
import { page } from '../render/page.ts';
import { type Sheet, type SheetFormat, writtenSheet } from '../render/sheet.ts';

/** The sheets of a report as its text. CSV has no place for notes: they go to standard error, so that nothing looks whole that is not. */
export function shownSheets(invocation: Invocation, format: SheetFormat, sheets: readonly Sheet[]): Iterable<string> {
  const { global, style, runtime } = invocation;
  if (global.quiet || global.json) return [];
  if (format === 'csv') {
    for (const note of sheets.flatMap(({ notes }) => notes)) runtime.stderr.write(`${note}\n`);
  }
  if (format === 'html') {
    return [page(`pulse-migrate ${invocation.command}`, `As of ${moment(runtime.now().toISOString())}.`, sheets)];
  }
  return pieces(sheets, (sheet) => writtenSheet(sheet, format, style, runtime.stdout));
}

function* pieces(sheets: readonly Sheet[], written: (sheet: Sheet) => Iterable<string>) {
  for (const [index, sheet] of sheets.entries()) {
    if (index > 0) yield '\n';
    yield* written(sheet);
  }
}
