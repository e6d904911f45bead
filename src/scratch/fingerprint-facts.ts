import { join, raw, type Sql, sql } from '../postgres/sql.ts';

/** One kind of catalog object: where its rows are and what there is to say about each. */
export interface ObjectKind {
  /** The catalog, as in `pg_class`, and its row variable in `from`. */
  readonly catalog: string;
  readonly row: string;
  readonly from: Sql;
  /** Text that is equal exactly where two objects are alike; no OID may be in it. */
  readonly definition: Sql;
  /** The number of the column, where the object is one. */
  readonly column?: Sql;
  readonly owner?: Sql;
  /** The access list, and the letter by which acldefault() knows the kind of object. */
  readonly acl?: { readonly list: Sql; readonly letter: Sql };
}

/** Named facts as one JSON text. NULL facts are left out, so that a new kind of fact changes no older text. */
export function facts(values: Readonly<Record<string, Sql>>): Sql {
  const pairs = Object.entries(values).map(([name, value]) => sql`${name}::pg_catalog.text, ${value}`);
  return sql`pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(${join(pairs)}))::pg_catalog.text`;
}

/** A subquery's values in order, as JSON; NULL where there is none. */
export function list(value: Sql, from: Sql, order: Sql): Sql {
  return sql`(SELECT pg_catalog.jsonb_agg(${value} ORDER BY ${order}) FROM ${from})`;
}

/** Options as the catalog keeps them, in alphabetical order: the catalog has them in the order they were given. */
export function optionList(options: Sql): Sql {
  return list(raw('o'), sql`pg_catalog.unnest(${options}) AS o`, raw('o COLLATE "C"'));
}

/** False for what belongs to an extension: the extension's version says all about it. */
export function notOfExtension(catalog: string, row: string): Sql {
  return sql`NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS member
    WHERE member.classid = ${`pg_catalog.${catalog}`}::pg_catalog.regclass AND member.objid = ${raw(row)}.oid AND member.deptype = 'e')`;
}

/** True for users' objects of a kind that has no schema: the server's own have OIDs below FirstNormalObjectId (pg_dump's rule). */
export function ownObject(catalog: string, row: string): Sql {
  return sql`${raw(row)}.oid >= 16384 AND ${notOfExtension(catalog, row)}`;
}

/** An access list in one order: the catalog has it in the order of the GRANTs. */
export function grantText(acl: Sql): Sql {
  return sql`(SELECT pg_catalog.string_agg(item::pg_catalog.text, ' ' ORDER BY item::pg_catalog.text COLLATE "C")
    FROM pg_catalog.unnest(${acl}) AS item)`;
}
