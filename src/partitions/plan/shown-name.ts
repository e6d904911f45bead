import { ident } from '../../postgres/sql.ts';
import type { TableName } from '../catalog.ts';

/** A name as people write it in SQL: quoted where it needs it. To be read, and not to be sent. */
export function shownIdent(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : ident(name).text;
}

export function shownTable({ schema, name }: TableName): string {
  return `${shownIdent(schema)}.${shownIdent(name)}`;
}
