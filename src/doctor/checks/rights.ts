import { quoteIdentifier } from '../../postgres/identifiers.ts';
import { sql } from '../../postgres/sql.ts';
import { type Check, type CheckContext, fine } from '../check.ts';
import { createdSchemas } from '../created-schemas.ts';

/** What the runner does to the objects of the ledger. */
const ledgerRights: ReadonlyArray<readonly [relation: string, privileges: readonly string[]]> = [
  ['layout', ['SELECT']],
  ['ledger', ['SELECT', 'INSERT']],
  ['applied', ['SELECT']],
  ['journal', ['SELECT', 'INSERT']],
  ['lease', ['SELECT', 'UPDATE']],
  ['guard', ['SELECT', 'INSERT', 'DELETE']],
];

/** A right that is missing, and the statement that gives it. */
interface Missing {
  readonly what: string;
  readonly grant: string;
}

interface Place {
  readonly role: string;
  readonly database: string;
  readonly create_on_database: boolean;
  /** Null where the ledger's schema is not there yet. */
  readonly owns_ledger_schema: boolean | null;
  /** First schema of search_path that exists. */
  readonly schema: string | null;
  readonly create_on_schema: boolean | null;
}

export const rights: Check = {
  id: 'rights',
  question: 'Has the role the rights that the ledger and the pending migrations need?',
  why: 'A missing right shows itself half-way through a deploy, and only for the statement that needs it.',
  beforeUp: true,
  async run(context) {
    const place = await askPlace(context);
    const missing = [
      ...missingOnDatabase(context, place),
      ...(await missingOnSchemas(context, place)),
      ...(await missingOnLedger(context, place.role)),
    ];
    if (missing.length === 0) return fine(`${place.role} has the rights it needs`);
    return {
      outcome: 'failure',
      message: `${place.role} lacks ${missing.map(({ what }) => what).join(', ')}`,
      hint: missing.map(({ grant }) => grant).join(' '),
    };
  },
};

async function askPlace({ session, ledgerSchema }: CheckContext): Promise<Place> {
  const [place] = await session.rows<Place>(
    sql`SELECT current_user::pg_catalog.text AS role, pg_catalog.current_database()::pg_catalog.text AS database,
               pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS create_on_database,
               (SELECT pg_catalog.pg_has_role(n.nspowner, 'USAGE') FROM pg_catalog.pg_namespace AS n
                WHERE n.nspname = ${ledgerSchema}) AS owns_ledger_schema,
               pg_catalog.current_schema()::pg_catalog.text AS schema,
               pg_catalog.has_schema_privilege(pg_catalog.current_schema(), 'CREATE') AS create_on_schema`,
  );
  if (place === undefined) throw new TypeError('a query without FROM gave no row');
  return place;
}

function missingOnDatabase({ ledger, ledgerSchema, pending }: CheckContext, place: Place): Missing[] {
  const missing: Missing[] = [];
  const reasons: string[] = [];
  if (ledger.layout === 0 && place.owns_ledger_schema === null) reasons.push(`for the ledger's schema ${ledgerSchema}`);
  if (pendingBegins(pending, 'CREATE SCHEMA')) reasons.push('for CREATE SCHEMA in a pending migration');
  if (!place.create_on_database && reasons.length > 0) {
    missing.push({
      what: `CREATE on database ${place.database} (${reasons.join(', ')})`,
      grant: `GRANT CREATE ON DATABASE ${quoteIdentifier(place.database)} TO ${quoteIdentifier(place.role)};`,
    });
  }
  // A DBA may have made the schema for the ledger to come; the ledger comments on it, as only its owner may.
  if (ledger.layout === 0 && place.owns_ledger_schema === false) {
    missing.push({
      what: `ownership of schema ${ledgerSchema} (for the ledger)`,
      grant: `ALTER SCHEMA ${quoteIdentifier(ledgerSchema)} OWNER TO ${quoteIdentifier(place.role)};`,
    });
  }
  return missing;
}

/** Objects with a plain name go into the first schema of search_path; since PostgreSQL 15 not everybody may create in public. */
async function missingOnSchemas({ session, pending }: CheckContext, place: Place): Promise<Missing[]> {
  const schemas = createdSchemas(pending);
  const named = [...schemas].filter((schema) => schema !== null);
  const refused =
    named.length === 0
      ? []
      : await session.rows<{ schema: string }>(
          sql`SELECT n.nspname::pg_catalog.text AS schema FROM pg_catalog.pg_namespace AS n
WHERE n.nspname::pg_catalog.text = ANY (${named}) AND NOT pg_catalog.has_schema_privilege(n.oid, 'CREATE') ORDER BY 1`,
        );
  const lacking = new Set(refused.map(({ schema }) => schema));
  if (schemas.has(null) && place.schema !== null && place.create_on_schema !== true) lacking.add(place.schema);
  return [...lacking].map((schema) => ({
    what: `CREATE on schema ${schema} (for what the pending migrations create)`,
    grant: `GRANT CREATE ON SCHEMA ${quoteIdentifier(schema)} TO ${quoteIdentifier(place.role)};`,
  }));
}

function pendingBegins(pending: CheckContext['pending'], words: string): boolean {
  return pending.some(({ up }) =>
    up.statements.some(({ keywords }) => `${keywords.join(' ')} `.startsWith(`${words} `)),
  );
}

/** Asked through the catalog: has_table_privilege by name would fail where the schema itself may not be used. */
async function missingOnLedger({ session, ledger, ledgerSchema }: CheckContext, role: string): Promise<Missing[]> {
  if (ledger.layout === 0) return [];
  const rows = await session.rows<{ relation: string; privilege: string }>(
    sql`SELECT w.relation, w.privilege
FROM ROWS FROM (pg_catalog.unnest(${ledgerRights.flatMap(([relation, list]) => list.map(() => relation))}), pg_catalog.unnest(${ledgerRights.flatMap(([, list]) => list)})) WITH ORDINALITY AS w(relation, privilege, position)
JOIN pg_catalog.pg_class AS c ON c.relname = w.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = ${ledgerSchema}
WHERE NOT pg_catalog.has_table_privilege(c.oid, w.privilege)
ORDER BY w.position`,
  );
  const [usage] = await session.rows<{ granted: boolean }>(
    sql`SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS granted FROM pg_catalog.pg_namespace AS n WHERE n.nspname = ${ledgerSchema}`,
  );
  const missing: Missing[] = [];
  const to = quoteIdentifier(role);
  const schema = quoteIdentifier(ledgerSchema);
  if (usage?.granted === false)
    missing.push({ what: `USAGE on schema ${ledgerSchema}`, grant: `GRANT USAGE ON SCHEMA ${schema} TO ${to};` });
  for (const relation of new Set(rows.map((row) => row.relation))) {
    const privileges = rows.filter((row) => row.relation === relation).map((row) => row.privilege);
    missing.push({
      what: `${privileges.join(', ')} on ${ledgerSchema}.${relation}`,
      grant: `GRANT ${privileges.join(', ')} ON ${schema}.${quoteIdentifier(relation)} TO ${to};`,
    });
  }
  return missing;
}
