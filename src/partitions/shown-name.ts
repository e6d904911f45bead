import { ident } from '../postgres/sql.ts';
import { visible } from '../visible.ts';
import type { TableName } from './catalog.ts';

/** A name as people write it in SQL: quoted where it needs it. To be read, and not to be sent. */
export function shownIdent(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : ident(name).text;
}

export function shownTable({ schema, name }: TableName): string {
  return `${shownIdent(schema)}.${shownIdent(name)}`;
}

/** A table as an argument of a command that is to be typed: quoted for SQL where it needs that, and for the shell. */
export function typedName({ schema, name }: TableName): string {
  const typed = schema === 'public' ? shownIdent(name) : shownTable({ schema, name });
  return /^[\w.]+$/.test(typed) ? typed : `'${visible(typed).replaceAll("'", "'\\''")}'`;
}

/** Whether a name as typed means this table: with its schema or without, quoted as in SQL or as it is. */
export function isTyped({ schema, name }: TableName, typed: string): boolean {
  const forms = (word: string) => [word, ident(word).text];
  return [...forms(name), ...forms(schema).flatMap((first) => forms(name).map((last) => `${first}.${last}`))].includes(
    typed,
  );
}
