import { gunzipSync } from 'node:zlib';
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { PulseError } from '../../errors.ts';
import { csvField, csvLine } from './csv.ts';
import { type Kind, kinds, type ParquetValue, textOf } from './values.ts';
import { kindsKey } from './write.ts';

/** A file of which parts are read where they lie. */
export interface PartlyRead {
  readonly bytes: number;
  readonly part: (from: number, to: number) => Promise<Buffer>;
  /** As it is named to people. */
  readonly shown: string;
}

/**
 * The CSV that a Parquet file was made of, byte for byte: row group by row group.
 * @throws {PulseError} `archive-failed` where it is no such file, or damaged.
 */
export async function* fromParquet(file: PartlyRead): AsyncGenerator<Buffer> {
  const read: AsyncBuffer = {
    byteLength: file.bytes,
    slice: async (from, to = file.bytes) => {
      const part = await file.part(from < 0 ? file.bytes + from : from, to < 0 ? file.bytes + to : to);
      return part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength) as ArrayBuffer;
    },
  };
  const metadata = await understood(file, () => parquetMetadataAsync(read));
  const own = await understood(file, async () => kindsOf(metadata));
  const columns = metadata.schema.slice(1).map(({ name }) => name);
  yield Buffer.from(csvLine(columns));
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const data = await understood(file, () => valuesOf(read, metadata, { columns, rowStart, rowEnd }));
    yield Buffer.from(csvOf(data, own, rowEnd - rowStart));
    rowStart = rowEnd;
  }
}

interface Stretch {
  readonly columns: string[];
  readonly rowStart: number;
  readonly rowEnd: number;
}

type Values = ArrayLike<ParquetValue | undefined>;

/** The values of each column. */
async function valuesOf(file: AsyncBuffer, metadata: FileMetaData, stretch: Stretch): Promise<readonly Values[]> {
  const found = new Map<string, Values[]>();
  await parquetRead({
    ...{ file, metadata, ...stretch, utf8: false, parsers: asTheyAre },
    compressors: { GZIP: (bytes) => gunzipSync(bytes) },
    onChunk: ({ columnName, columnData }) => {
      found.set(columnName, [...(found.get(columnName) ?? []), columnData]);
    },
  });
  return stretch.columns.map((name) => {
    const [first = [], ...more] = found.get(name) ?? [];
    return more.length === 0 ? first : [first, ...more].flatMap((values) => Array.from(values));
  });
}

function csvOf(columns: readonly Values[], own: readonly Kind[], rows: number): string {
  let text = '';
  const isAlone = columns.length === 1;
  for (let row = 0; row < rows; row += 1) {
    for (const [at, values] of columns.entries()) {
      if (at > 0) text += ',';
      const value = values[row] ?? null;
      if (value === null) continue;
      const kind = own[at] ?? 'text';
      text += kind === 'text' ? csvField(String(value), isAlone) : textOf(kind, value);
    }
    text += '\n';
  }
  return text;
}

/** Times stay numbers, of which no microsecond is lost; a text keeps a byte order mark. */
const asTheyAre = {
  timestampFromMicroseconds: (micros: bigint) => micros,
  dateFromDays: (days: number) => days,
  stringFromBytes: (bytes: Uint8Array) =>
    bytes === undefined ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'),
};

function kindsOf({ key_value_metadata: pairs }: FileMetaData): readonly Kind[] {
  const said: unknown = JSON.parse(pairs?.find(({ key }) => key === kindsKey)?.value ?? 'null');
  if (Array.isArray(said) && said.every((kind): kind is Kind => kinds.some((known) => known === kind))) return said;
  throw new RangeError('it does not say of what kind its columns are');
}

async function understood<Result>({ shown }: PartlyRead, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PulseError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new PulseError('archive-failed', `${shown} is damaged: ${reason}`, {
      hint: 'bring the object back as it was written; pulse-migrate partition archives --json has its checksum',
      cause: error,
    });
  }
}
