/** Reads single values of the configuration: each reader says what it expects when the value does not fit. */
import { durationUnits, parseDuration } from '../durations.ts';

/** What does not fit, and where below the value that was read: `['commits', 'period']`. */
export interface Misfit {
  readonly problem: string;
  readonly hint?: string;
  readonly at?: readonly string[];
}

export type Reading<Value> =
  | { readonly ok: true; readonly value: Value }
  | (Misfit & { readonly ok: false; readonly others?: readonly Misfit[] });

export type Read<Value> = (raw: unknown) => Reading<Value>;

const good = <Value>(value: Value): Reading<Value> => ({ ok: true, value });
const bad = (problem: string, hint?: string): Reading<never> => ({ ok: false, problem, ...(hint && { hint }) });

/** Any text that is not empty. */
export function readText(raw: unknown): Reading<string> {
  if (typeof raw !== 'string') return bad('must be text', 'put the value in quotes');
  if (raw.trim() === '') return bad('is empty', 'give it a value or remove it');
  return raw.includes('\0') ? bad('holds a NUL character') : good(raw);
}

/** `true` or `false` alone: YAML 1.2 reads `yes` and `no` as text. */
export function readBoolean(raw: unknown): Reading<boolean> {
  return typeof raw === 'boolean' ? good(raw) : bad('must be true or false', 'write true or false, without quotes');
}

/** A duration with its unit, in milliseconds. */
export function readDuration(raw: unknown): Reading<number> {
  const milliseconds = typeof raw === 'string' ? parseDuration(raw) : null;
  if (milliseconds !== null) return good(milliseconds);
  return bad(
    'must be a duration with a unit, at most 24 days',
    `write for example 30s or 5m; units are ${durationUnits}`,
  );
}

/** A duration above zero: zero would mean no limit, and there is none that waits for ever. */
export function readPositiveDuration(raw: unknown): Reading<number> {
  const reading = readDuration(raw);
  return reading.ok && reading.value === 0 ? bad('must be more than zero', 'write for example 1s') : reading;
}

/** A whole number, 0 to 10,000; as text where it comes from a flag or a variable. */
export function readCount(raw: unknown): Reading<number> {
  const number = typeof raw === 'string' && /^\d{1,5}$/.test(raw) ? Number(raw) : raw;
  const fits = typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= 10_000;
  return fits ? good(number) : bad('must be a whole number from 0 to 10000', 'write for example 30');
}

/** One of a few words. */
export function readChoice<const Choice extends string>(choices: readonly Choice[]): Read<Choice> {
  return (raw) => {
    const choice = choices.find((candidate) => candidate === raw);
    return choice === undefined
      ? bad(`must be ${choices.join(' or ')}`, `write one of: ${choices.join(', ')}`)
      : good(choice);
  };
}

/** A list of texts; one text alone counts as a list of one. */
export function readTextList(raw: unknown): Reading<readonly string[]> {
  const items = Array.isArray(raw) ? raw : [raw];
  const texts: string[] = [];
  for (const item of items) {
    const reading = readText(item);
    if (!reading.ok) return bad('must be a list of texts', 'write for example [first, second]');
    texts.push(reading.value);
  }
  return good(texts);
}

/** A name for a schema of our own: PostgreSQL cuts names at 63 bytes and keeps `pg_` to itself. */
export function readSchemaName(raw: unknown): Reading<string> {
  const reading = readText(raw);
  if (!reading.ok) return reading;
  if (Buffer.byteLength(reading.value) > 63) return bad('is longer than 63 bytes, where PostgreSQL cuts names');
  if (reading.value.startsWith('pg_') || reading.value === 'information_schema') {
    return bad('is a name PostgreSQL keeps for its own schemas', 'choose a name that does not begin with pg_');
  }
  return good(reading.value);
}
