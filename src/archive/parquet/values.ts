import { floatText } from './float-text.ts';

/** How the values of a column are kept in Parquet; what has no kind of its own is kept as the server's text. */
export const kinds = [
  'text',
  'int4',
  'int8',
  'bool',
  'float4',
  'float8',
  'date',
  'timestamp',
  'timestamptz',
  'bytea',
] as const;
export type Kind = (typeof kinds)[number];

export interface ParquetColumn {
  readonly name: string;
  readonly kind: Kind;
}

/** A value as the library takes it and gives it. */
export type ParquetValue = string | number | bigint | boolean | Uint8Array | null;

/** The value of the server's text; null where the kind has no place for it: `infinity`, or a year before 1. */
export function parquetValue(kind: Kind, text: string): ParquetValue {
  switch (kind) {
    case 'text':
      return text;
    case 'int4':
      return Number(text);
    case 'int8':
      return BigInt(text);
    case 'bool':
      return text === 't';
    case 'float4':
    case 'float8':
      return Number(text);
    case 'bytea':
      return Buffer.from(text.slice(2), 'hex');
    case 'date':
      return daysOf(text);
    case 'timestamp':
    case 'timestamptz':
      return microsOf(text);
  }
}

/** A value as the server writes it under the settings of an archive. */
export function textOf(kind: Kind, value: ParquetValue): string {
  switch (kind) {
    case 'text':
    case 'int4':
    case 'int8':
      return String(value);
    case 'bool':
      return value === true ? 't' : 'f';
    case 'float4':
      return floatText(Number(value), 6);
    case 'float8':
      return floatText(Number(value), 15);
    case 'bytea':
      return `\\x${Buffer.from(value as Uint8Array).toString('hex')}`;
    case 'date':
      return dayText(Number(value));
    case 'timestamp':
      return timeText(BigInt(value as bigint));
    case 'timestamptz':
      return `${timeText(BigInt(value as bigint))}+00`;
  }
}

const daySeconds = 86_400;
const time = /^\d{4}-\d\d-\d\d (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:\+00)?$/;

function daysOf(text: string): number | null {
  return /^\d{4}-\d\d-\d\d$/.test(text) ? dayNumber(text) : null;
}

function microsOf(text: string): bigint | null {
  const [, hour, minute, second, fraction = ''] = time.exec(text) ?? [];
  if (hour === undefined) return null;
  const seconds =
    dayNumber(text.slice(0, 10)) * daySeconds + Number(hour) * 3600 + Number(minute) * 60 + Number(second);
  return BigInt(seconds) * 1_000_000n + BigInt(fraction.padEnd(6, '0'));
}

function timeText(micros: bigint): string {
  const fraction = Number(((micros % 1_000_000n) + 1_000_000n) % 1_000_000n);
  const seconds = Number((micros - BigInt(fraction)) / 1_000_000n);
  const day = Math.floor(seconds / daySeconds);
  const rest = seconds - day * daySeconds;
  const text = `${dayText(day)} ${two(Math.floor(rest / 3600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`;
  return fraction === 0 ? text : `${text}.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`;
}

function two(part: number): string {
  return part < 10 ? `0${part}` : String(part);
}

/** Rows of a partition share their days: half of the time went into these two. */
const texts = new Map<number, string>();
const numbers = new Map<string, number>();
const mostKnown = 10_000;

function dayText(day: number): string {
  const known = texts.get(day);
  if (known !== undefined) return known;
  if (texts.size >= mostKnown) texts.clear();
  const text = new Date(day * daySeconds * 1000).toISOString().slice(0, 10);
  texts.set(day, text);
  return text;
}

function dayNumber(text: string): number {
  const known = numbers.get(text);
  if (known !== undefined) return known;
  if (numbers.size >= mostKnown) numbers.clear();
  const day = Date.parse(`${text}T00:00:00Z`) / 1000 / daySeconds;
  numbers.set(text, day);
  return day;
}
