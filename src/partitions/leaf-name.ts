import { type Calendar, datePartsOf, type Instant, isoWeekOf, quarterOf } from './calendar.ts';

/** PostgreSQL cuts names at so many bytes. */
const nameBytes = 63;

/** Ways people write a period in a name, the one of this tool first. `Y`, `M`, `D`, `Q` and `W` stand for their digits. */
const forms: Readonly<Record<Calendar['period'], readonly string[]>> = {
  day: ['Y_M_D', 'YMD', 'Y-M-D', 'yYmMdD', 'pYMD', 'pY_M_D'],
  week: ['Y_wW', 'YwW', 'Y_W', 'Y_M_D', 'YMD', 'Y-M-D'],
  month: ['Y_M', 'YM', 'Y-M', 'yYmM', 'pY_M', 'Y_M_D', 'YMD', 'Y-M-D'],
  quarter: ['Y_qQ', 'YqQ', 'Y_Q', 'yYqQ', 'pYqQ', 'Y_M', 'Y_M_D', 'YMD'],
  year: ['Y', 'yY', 'pY', 'Y_M_D', 'YMD', 'Y_M'],
};

/** A partition whose name may show how the others are called. */
export interface NamedStart {
  readonly name: string;
  readonly from: Instant;
}

/**
 * The name of a table's partition that begins at `from`: as its siblings are called, where one of them shows its period
 * in a way that is known, else `TABLE_2026_12`, `TABLE_2026_q4`. Cosmetic: partitions are known by their bounds.
 */
export function leafName(table: string, calendar: Calendar, from: Instant, siblings: readonly NamedStart[]): string {
  for (const sibling of siblings) {
    for (const form of forms[calendar.period]) {
      const shown = written(form, calendar, sibling.from);
      const at = sibling.name.toLowerCase().lastIndexOf(shown);
      if (at < 0 || isDigit(sibling.name[at - 1]) || isDigit(sibling.name[at + shown.length])) continue;
      const before = sibling.name.slice(0, at);
      const name = before + written(form, calendar, from) + sibling.name.slice(at + shown.length);
      if (Buffer.byteLength(name) <= nameBytes) return name;
    }
  }
  const suffix = `_${written(forms[calendar.period][0] ?? 'Y_M_D', calendar, from)}`;
  return fitted(table, suffix);
}

/** The name with a number behind it, for a name that something else has. */
export function numbered(name: string, number: number): string {
  return fitted(name, `_${number}`);
}

/** As much of the name, in whole characters, as leaves room for the suffix. */
export function fitted(name: string, suffix: string): string {
  let kept = '';
  for (const character of name) {
    if (Buffer.byteLength(kept + character + suffix) > nameBytes) break;
    kept += character;
  }
  return kept + suffix;
}

function written(form: string, { period }: Calendar, from: Instant): string {
  const [year, month, day] = datePartsOf(from);
  const [weekYear, week] = isoWeekOf(from);
  const isWeek = period === 'week' && form.includes('W');
  const parts: Readonly<Record<string, string>> = {
    Y: isWeek ? weekYear : year,
    M: month,
    D: day,
    Q: String(quarterOf(from)),
    W: week,
  };
  return form.replaceAll(/[YMDQW]/g, (letter) => parts[letter] ?? letter);
}

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= '0' && character <= '9';
}
