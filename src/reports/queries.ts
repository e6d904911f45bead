import { PulseError } from '../errors.ts';
import type { KeyQuery } from '../key-query.ts';
import { splitStatements } from '../migrations/splitter.ts';
import { StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { join, raw, sql } from '../postgres/sql.ts';

/** What became of one key query. Times in milliseconds, as the server measured planning and executing it. */
export interface QueryReport {
  readonly name: string;
  readonly targetMs: number;
  /** `unknown`: there was nothing to measure it with. */
  readonly outcome: 'met' | 'missed' | 'failed' | 'unknown';
  /** Why it failed, or what was missed. */
  readonly why: readonly string[];
  readonly runs: number;
  readonly parameterSets: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly max: number | null;
  /** The indexes of all plans, those of partitions under the name of their table's. */
  readonly indexes: readonly string[];
  /** Blocks from the server's memory and from elsewhere, mean of a run. */
  readonly blocksHit: number | null;
  readonly blocksRead: number | null;
  /** The plan of the slowest run, as EXPLAIN (FORMAT JSON) gives it. */
  readonly plan: unknown;
}

export interface QueriesInput {
  readonly queries: readonly KeyQuery[];
  /** How often each is run, after one run that does not count. */
  readonly runs: number;
  /** The longest that one run may take, milliseconds. */
  readonly timeoutMs: number;
}

interface PlanNode {
  readonly 'Index Name'?: string;
  readonly Plans?: readonly PlanNode[];
  readonly 'Shared Hit Blocks'?: number;
  readonly 'Shared Read Blocks'?: number;
}

interface Explained {
  readonly Plan: PlanNode;
  readonly 'Planning Time': number;
  readonly 'Execution Time': number;
}

const mostSets = 20;

/**
 * Runs each query with parameters from the data, in a transaction that is READ ONLY: one that writes fails, and nothing
 * is changed. One that fails keeps the others from nothing.
 */
export async function measureQueries(session: Session, input: QueriesInput): Promise<readonly QueryReport[]> {
  const reports: QueryReport[] = [];
  for (const query of input.queries) reports.push(await measured(session, query, input));
  return reports;
}

async function measured(session: Session, query: KeyQuery, input: QueriesInput): Promise<QueryReport> {
  const nothing: QueryReport = {
    ...{ name: query.name, targetMs: query.targetMs, outcome: 'failed', why: [], runs: 0, parameterSets: 0 },
    ...{ p50: null, p95: null, max: null, indexes: [], blocksHit: null, blocksRead: null, plan: null },
  };
  try {
    const statement = onlyStatement(query.sql);
    const parameters = query.parameters === null ? null : onlyStatement(query.parameters);
    // A plan for each set of parameters: what a driver sends unprepared, and what differs where the data are skewed.
    await session.run(`BEGIN READ ONLY; SET LOCAL statement_timeout = ${input.timeoutMs}; SET LOCAL lock_timeout = '1s';
SET LOCAL plan_cache_mode = force_custom_plan; SAVEPOINT ${savepoint}`);
    const sets = await parameterSets(session, parameters);
    if (sets.length === 0) {
      return {
        ...nothing,
        outcome: 'unknown',
        why: ['its parameters gave no row: there is nothing to measure it with'],
      };
    }
    await session.run(`PREPARE ${prepared} AS ${statement}`);
    const runs: Explained[] = [];
    for (let run = -1; run < input.runs; run += 1) {
      const explained = await explain(session, sets[Math.max(0, run) % sets.length] ?? []);
      if (run >= 0) runs.push(explained);
    }
    return await judged(session, query, runs, { ...nothing, parameterSets: sets.length });
  } catch (error) {
    if (error instanceof StatementError) return { ...nothing, why: [error.message] };
    if (error instanceof PulseError && error.code === 'usage') return { ...nothing, why: [error.message] };
    if (error instanceof PulseError && error.code === 'connection-lost') throw endedBy(query, error);
    throw error;
  } finally {
    // Behind a pooler another backend may answer as soon as the transaction ends: what is prepared goes within it.
    await session.run(`ROLLBACK TO SAVEPOINT ${savepoint}; DEALLOCATE ${prepared}`).catch(() => {});
    await session.run('ROLLBACK').catch(() => {});
  }
}

/** Whatever ended it, this is where to look first. */
function endedBy({ name }: KeyQuery, error: PulseError): PulseError {
  return new PulseError('connection-lost', `while the key query ${name} ran: ${error.message}`, {
    hint: 'nothing was changed; run the report again, and if it ends here again, take the query out of the configuration',
    cause: error,
  });
}

const prepared = 'pulse_migrate_key_query';
const savepoint = 'before_it';

/**
 * Without semicolon and comments around it. A second statement would run outside of what is measured, and behind a
 * COMMIT outside of READ ONLY.
 */
function onlyStatement(text: string): string {
  const { statements, problems } = splitStatements(text);
  const [statement] = statements;
  if (problems.length > 0 || statements.length !== 1 || statement === undefined) {
    throw new PulseError('usage', 'it has to be exactly one statement');
  }
  return text.slice(statement.start, statement.end).replace(/;$/, '');
}

/** Rows as texts, which become what the query takes. */
async function parameterSets(
  session: Session,
  parameters: string | null,
): Promise<ReadonlyArray<readonly (string | null)[]>> {
  if (parameters === null) return [[]];
  const rows = await session.rows<{ set: readonly (string | null)[] }>(sql`SELECT (
  SELECT pg_catalog.json_agg(e.value ORDER BY e.ordinality) FROM pg_catalog.json_each_text(pg_catalog.row_to_json(p)) WITH ORDINALITY AS e) AS set
FROM (${raw(parameters)}) AS p LIMIT ${mostSets}`);
  return rows.map(({ set }) => set);
}

async function explain(session: Session, values: readonly (string | null)[]): Promise<Explained> {
  const list = values.length === 0 ? sql`` : sql`(${join(values.map((value) => sql`${value}`))})`;
  const [row] = await session.rows<{ 'QUERY PLAN': readonly Explained[] }>(
    sql`EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY, FORMAT JSON) EXECUTE ${raw(prepared)}${list}`,
  );
  const [explained] = row?.['QUERY PLAN'] ?? [];
  if (explained === undefined) throw new TypeError('EXPLAIN gave no plan');
  return explained;
}

async function judged(
  session: Session,
  query: KeyQuery,
  runs: readonly Explained[],
  nothing: QueryReport,
): Promise<QueryReport> {
  const timeOf = (run: Explained) => run['Planning Time'] + run['Execution Time'];
  const times = runs.map(timeOf).toSorted((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.ceil(times.length * share) - 1)] ?? 0;
  const mean = (key: 'Shared Hit Blocks' | 'Shared Read Blocks') =>
    Math.round(runs.reduce((sum, { Plan }) => sum + (Plan[key] ?? 0), 0) / runs.length);
  const used = await usedIndexes(session, [...new Set(runs.flatMap(({ Plan }) => indexesOf(Plan)))]);
  const p95 = at(0.95);
  const unused = query.indexes.filter((names) => !names.some((wanted) => used.some(({ name }) => name === wanted)));
  const why = [
    ...(p95 > query.targetMs ? [`95 of 100 runs take up to ${p95.toFixed(1)} ms, and not ${query.targetMs}`] : []),
    ...unused.map((names) => `no plan uses ${names.join(' or ')}`),
  ];
  return {
    ...nothing,
    ...{ outcome: why.length === 0 ? 'met' : 'missed', why, runs: runs.length },
    ...{ p50: at(0.5), p95, max: times.at(-1) ?? null },
    indexes: used.flatMap(({ name, isPart }) => (isPart ? [] : [name])),
    blocksHit: mean('Shared Hit Blocks'),
    blocksRead: mean('Shared Read Blocks'),
    plan: runs.toSorted((a, b) => timeOf(b) - timeOf(a))[0]?.Plan ?? null,
  };
}

function indexesOf(node: PlanNode): readonly string[] {
  const own = node['Index Name'] === undefined ? [] : [node['Index Name']];
  return [...own, ...(node.Plans ?? []).flatMap(indexesOf)];
}

/** The names themselves, and of an index of a partition that of the table's index it belongs to. */
async function usedIndexes(
  session: Session,
  names: readonly string[],
): Promise<ReadonlyArray<{ readonly name: string; readonly isPart: boolean }>> {
  if (names.length === 0) return [];
  return session.rows(sql`SELECT DISTINCT a.relname::pg_catalog.text AS name, a.relispartition AS "isPart"
FROM pg_catalog.pg_class AS i CROSS JOIN LATERAL (
  SELECT i.oid AS relid UNION SELECT t.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors(i.oid) AS t) AS f
JOIN pg_catalog.pg_class AS a ON a.oid = f.relid
WHERE i.relkind::pg_catalog.text = ANY (${['i', 'I']}) AND i.relname::pg_catalog.text = ANY (${names}) ORDER BY 1`);
}
