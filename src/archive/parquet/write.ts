import { gzipSync } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { PulseError } from '../../errors.ts';
import { csvRows } from './csv.ts';
import { type Kind, type ParquetColumn, type ParquetValue, parquetValue, textOf } from './values.ts';

/** Under it the file says of what kind its columns are, for whoever makes text of them again. */
export const kindsKey = 'pulse-migrate.kinds';

/** So many rows, or so much text of them, are put together to one row group: all of it is in memory. */
const groupRows = 50_000;
const groupCharacters = 1024 * 1024;

/** Keeps what is written until it is taken. */
class PartWriter extends ByteWriter {
  parts: Buffer[] = [];

  flush(): void {
    this.parts.push(Buffer.from(this.buffer.slice(0, this.index)));
    this.index = 0;
  }

  override finish(): void {
    this.flush();
  }

  take(): readonly Buffer[] {
    const { parts } = this;
    this.parts = [];
    return parts;
  }
}

/**
 * The server's CSV as a Parquet file, part by part.
 * @throws {PulseError} `not-possible` for a value that its column has no place for in Parquet.
 */
export async function* toParquet(
  csv: AsyncIterable<Buffer>,
  columns: readonly ParquetColumn[],
): AsyncGenerator<Buffer> {
  const writer = new PartWriter();
  const kinds = JSON.stringify(columns.map(({ kind }) => kind));
  const file = new ParquetWriter({
    ...{
      writer,
      schema: schemaOf(columns),
      codec: 'GZIP',
      compressors: { GZIP: (bytes: Uint8Array) => gzipSync(bytes) },
    },
    ...{ kvMetadata: [{ key: kindsKey, value: kinds }], createdBy: 'pulse-migrate' },
  });
  let data = columns.map((): ParquetValue[] => []);
  let rows = 0;
  let characters = 0;
  const write = () => {
    const columnData = columns.map(({ name, kind }, at) => ({
      name,
      data: data[at] ?? [],
      statistics: kind !== 'text',
      encoding: 'PLAIN' as const,
    }));
    void file.write({ columnData, rowGroupSize: rows });
    data = columns.map(() => []);
    [rows, characters] = [0, 0];
  };
  let isHeader = true;
  for await (const row of csvRows(csv)) {
    if (isHeader) {
      isHeader = false;
      continue;
    }
    for (const [at, column] of columns.entries()) {
      const text = row[at] ?? null;
      data[at]?.push(text === null ? null : valueOfColumn(column, text));
      characters += text === null ? 1 : text.length + 1;
    }
    rows += 1;
    if (rows < groupRows && characters < groupCharacters) continue;
    write();
    yield* writer.take();
  }
  if (rows > 0) write();
  void file.finish();
  yield* writer.take();
}

function valueOfColumn({ name, kind }: ParquetColumn, text: string): ParquetValue {
  const value = parquetValue(kind, text);
  const isFloat = kind === 'float4' || kind === 'float8';
  // Of the others it is known; of one that becomes another text it would be found only when all is read back.
  if (value !== null && (!isFloat || textOf(kind, value) === text)) return value;
  throw new PulseError('not-possible', `column ${name} holds ${text}, which Parquet has no place for`, {
    hint: 'archive it as CSV: --format csv',
  });
}

function schemaOf(columns: readonly ParquetColumn[]): SchemaElement[] {
  return [
    { name: 'rows', num_children: columns.length },
    ...columns.map(({ name, kind }): SchemaElement => ({ name, repetition_type: 'OPTIONAL', ...elements[kind] })),
  ];
}

const elements: Readonly<Record<Kind, Omit<SchemaElement, 'name'>>> = {
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  int4: { type: 'INT32' },
  int8: { type: 'INT64' },
  bool: { type: 'BOOLEAN' },
  // The text of a float4 is that of a double as well; as a FLOAT it would be another number for whoever reads it.
  float4: { type: 'DOUBLE' },
  float8: { type: 'DOUBLE' },
  date: { type: 'INT32', converted_type: 'DATE' },
  timestamp: { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: false, unit: 'MICROS' } },
  timestamptz: { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' } },
  bytea: { type: 'BYTE_ARRAY' },
};
