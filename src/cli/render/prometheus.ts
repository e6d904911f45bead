import type { Sizes, TableSize } from '../../reports/sizes.ts';

/** The text exposition format: https://prometheus.io/docs/instrumenting/exposition_formats/. */
export function prometheusSizes({ database, databaseBytes, tables }: Sizes): string {
  const family = (name: string, help: string, samples: readonly string[]) =>
    `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${samples.map((sample) => `${name}${sample}\n`).join('')}`;
  const each = (value: (table: TableSize) => number | null) =>
    tables.flatMap((table) => {
      const number = value(table);
      return number === null ? [] : [`${labels({ database, ...named(table) })} ${number}`];
    });
  const kinds = { table: 'tableBytes', index: 'indexBytes', toast: 'toastBytes' } as const;
  return [
    family('pulse_database_size_bytes', 'Size of the database.', [`${labels({ database })} ${databaseBytes}`]),
    family(
      'pulse_table_size_bytes',
      'Size of a table by kind; a partitioned table is the sum of its partitions.',
      tables.flatMap((table) =>
        Object.entries(kinds).map(([kind, key]) => `${labels({ database, ...named(table), kind })} ${table[key]}`),
      ),
    ),
    family(
      'pulse_table_rows',
      "Rows of a table, by the server's estimate or counted.",
      each(({ rows }) => rows),
    ),
    family(
      'pulse_table_dead_rows',
      'Dead rows of a table.',
      each(({ deadRows }) => deadRows),
    ),
  ].join('');
}

const named = ({ schema, name }: TableSize) => ({ schema, table: name });

function labels(pairs: Readonly<Record<string, string>>): string {
  const written = (value: string) => value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
  return `{${Object.entries(pairs)
    .map(([name, value]) => `${name}="${written(value)}"`)
    .join(',')}}`;
}
