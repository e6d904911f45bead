import { inUnit, targets, verdictOf } from '../targets.mjs';

/** Rows of the same thing together, in the order in which things appeared. */
function grouped(rows) {
  const groups = new Map();
  for (const row of rows) groups.set(row.what, [...(groups.get(row.what) ?? []), row]);
  return [...groups.values()].flat();
}

/**
 * Rows as they are shown: `{ what, contestant, value, ratio, must, aim, verdict }` in text, the figures beside them.
 * Small sizes are not judged.
 */
export function judged(rows, { quick }) {
  return grouped(rows).map((row) => {
    const figure = row.figure ?? row.ratio;
    const unit = row.unit ?? 'x';
    const target = row.target === undefined ? null : { ...targets[row.target], ...(row.aim && { aim: row.aim }) };
    const relative = row.ratio === undefined && unit === '+MiB' ? inUnit(figure, unit) : '';
    return {
      ...row,
      figure,
      unit,
      ratioText: row.ratio === undefined ? relative : `${inUnit(row.ratio, 'x')} ${row.against}`,
      must: target === null ? '' : inUnit(target.must, unit),
      aim: target === null ? '' : inUnit(target.aim, unit),
      verdict: target === null ? '' : quick ? 'not judged' : verdictOf(figure, target),
    };
  });
}
