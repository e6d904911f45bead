import type { Growth } from '../../reports/growth.ts';
import { shownName } from '../../reports/relation-names.ts';
import { bytes } from '../render/format.ts';
import { plotBytes } from '../render/plot.ts';
import type { Sheet } from '../render/sheet.ts';

/** A sheet for each of the tables that grow fastest, with its points and its line. */
export function growthPlots({ tables }: Growth, most: number): readonly Sheet[] {
  return tables.slice(0, most).flatMap((table) => {
    const title = `Size of ${shownName(table)}`;
    const picture = plotBytes(title, table.bytes, table.bytesLine, bytes);
    return picture === '' ? [] : [{ title, columns: [], rows: [], notes: [], picture }];
  });
}
