import { quoteIdentifier, quoteLiteral } from './identifiers.ts';

/**
 * SQL text built by the `sql` tag. Everything the tool sends itself goes out by the simple protocol, because an
 * extended-protocol SELECT leaves a portal whose snapshot makes CREATE INDEX CONCURRENTLY wait for ever, and because
 * a pooler may refuse named statements. So values become literals here, by one function, and never by hand.
 */
export class Sql {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type SqlValue = string | number | bigint | boolean | null | Date | Sql | readonly string[];

/** A quoted name: `ident('schema', 'table')` becomes "schema"."table". */
export function ident(...names: readonly string[]): Sql {
  return new Sql(names.map(quoteIdentifier).join('.'));
}

/** Text that is SQL already. Only for constants of this program and the user's own files. */
export function raw(text: string): Sql {
  return new Sql(text);
}

function literal(value: SqlValue): string {
  if (value instanceof Sql) return value.text;
  if (value === null) return 'NULL';
  switch (typeof value) {
    case 'string':
      return quoteLiteral(value);
    case 'boolean':
      return value ? 'TRUE' : 'FALSE';
    case 'bigint':
      return value.toString();
    case 'number':
      if (!Number.isFinite(value)) throw new RangeError(`not a finite number: ${value}`);
      return String(value);
    default:
      if (value instanceof Date) return `${quoteLiteral(value.toISOString())}::pg_catalog.timestamptz`;
      return `ARRAY[${value.map(quoteLiteral).join(', ')}]::pg_catalog.text[]`;
  }
}

/** Builds SQL from a template: values become literals, `ident()` names, nested `sql` is put in as it is. */
export function sql(strings: TemplateStringsArray, ...values: readonly SqlValue[]): Sql {
  let text = strings[0] ?? '';
  values.forEach((value, index) => {
    text += literal(value) + (strings[index + 1] ?? '');
  });
  return new Sql(text);
}

/** Several fragments with a separator between them. */
export function join(fragments: readonly Sql[], separator = ', '): Sql {
  return new Sql(fragments.map((fragment) => fragment.text).join(separator));
}
