import { cleanTexts } from './clean.ts';
import type { Envelope } from './envelope.ts';

/** A longer list is written item by item: as one text, a report of 10,000 tables would be in memory several times. */
const longList = 100;

/**
 * The document of `--json` in pieces, as one line; its texts cleaned as `cleanTexts` does, a bigint (an id of the
 * ledger) as a number where it fits, else as text.
 */
export function* serialize(envelope: Envelope, clean: (text: string) => string): Generator<string, void> {
  yield* piecesOf(envelope, clean);
  yield '\n';
}

function* piecesOf(value: unknown, clean: (text: string) => string): Generator<string, void> {
  if (Array.isArray(value) && value.length > longList) {
    let before = '[';
    for (const item of value) {
      yield before + (written(cleanTexts(item as unknown, clean)) ?? 'null');
      before = ',';
    }
    yield ']';
  } else if (isPlain(value)) {
    let before = '{';
    for (const [key, inner] of Object.entries(value)) {
      if (inner === undefined) continue;
      yield `${before}${JSON.stringify(key)}:`;
      before = ',';
      // With its key, by which words of a closed set are told.
      if (typeof inner === 'string') yield JSON.stringify(cleanTexts({ [key]: inner }, clean)[key]);
      else yield* piecesOf(inner, clean);
    }
    yield before === '{' ? '{}' : '}';
  } else yield written(cleanTexts(value, clean)) ?? 'null';
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Undefined for what JSON has no word for. */
function written(value: unknown): string | undefined {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'bigint' ? (inner <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(inner) : inner.toString()) : inner,
  );
}
