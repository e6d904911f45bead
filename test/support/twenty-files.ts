import { randomUUID } from 'node:crypto';
import { installLedger } from '../../src/ledger/install.ts';
import { readLedger } from '../../src/ledger/read.ts';
import { parseRecordedFile } from '../../src/migrations/parse-file.ts';
import type { Session } from '../../src/postgres/session.ts';
import { raw } from '../../src/postgres/sql.ts';
import { takeLease } from '../../src/runner/lease.ts';
import { runSteps } from '../../src/runner/run.ts';
import type { Done, Step } from '../../src/runner/step.ts';
import type { TestDatabase } from './database.ts';
import { installing } from './installing.ts';
import { openSession } from './open-session.ts';
import { type Files, pairs, table } from './project.ts';
import { runnerDeps } from './runner-deps.ts';

const schema = 'pulse_migrate';
export const numbers = Array.from({ length: 20 }, (_, index) => index + 1);
export const versionOf = (number: number) => String(number).padStart(4, '0');
export const failing = 10;
export const before = numbers.filter((number) => number < failing);

/** Twenty small files, each of which makes the table of its number, all but one perhaps. */
export function files(tenth: string | null = null): Files {
  const pairOf = (number: number) =>
    number === failing && tenth !== null ? ([tenth, 'SELECT 1;\n'] as const) : table(`t${number}`);
  return pairs(Object.fromEntries(numbers.map((number) => [`${versionOf(number)}_t${number}`, pairOf(number)])));
}

/** What is recorded and what is there, by number. */
export async function stateOf(database: TestDatabase) {
  const rows = await database.admin<{ number: number }>(
    "SELECT number::int AS number FROM pulse_migrate.ledger WHERE outcome = 'done' ORDER BY id",
  );
  const tables = await database.admin<{ number: number }>(
    "SELECT substr(relname, 2)::int AS number FROM pg_class WHERE relkind = 'r' AND relname ~ '^t[0-9]+$' ORDER BY 1",
  );
  return { recorded: rows.map(({ number }) => number), there: tables.map(({ number }) => number) };
}

function stepOf(number: number, unseen: string | null, ninth: string | null): Step {
  const [plain, down] = table(`t${number}`);
  const up = number === failing - 1 && ninth !== null ? ninth : plain;
  const path = `migrations/${versionOf(number)}_t${number}`;
  const file = parseRecordedFile(`${path}.up.sql`, up);
  return {
    version: versionOf(number),
    number: BigInt(number),
    name: `t${number}`,
    direction: 'up',
    // It holds more than its reader has seen, as it would if the splitter were wrong.
    file: number === failing && unseen !== null ? { ...file, text: unseen } : file,
    upChecksum: file.checksum,
    downChecksum: parseRecordedFile(`${path}.down.sql`, down).checksum,
    upSql: up,
    downSql: down,
    details: {},
  };
}

/** What is not as it would be. */
interface Bend {
  /** What the tenth file holds in truth. */
  readonly unseen?: string | null;
  /** What the ninth file is. */
  readonly ninth?: string | null;
  readonly bent?: (session: Session) => Session;
}

/** Runs the twenty files in a session that is not quite the server's. */
export async function runTwenty(
  database: TestDatabase,
  { unseen = null, ninth = null, bent = (session) => session }: Bend = {},
): Promise<Done[]> {
  const session = await openSession(database.url);
  await installLedger(installing(session), { schema, toolVersion: '0.0.0', waitMs: 0 });
  const deps = runnerDeps(bent(session), database.url);
  const lease = await takeLease(deps, { schema, token: randomUUID(), actor: deps.actor, waitMs: 0 });
  const ledger = await readLedger(session, schema);
  try {
    const steps = numbers.map((number) => stepOf(number, unseen, ninth));
    return await runSteps(deps, { lease, ledger, confirmed: new Map() }, { timeoutMs: 1000, retries: 3 }, steps);
  } finally {
    await lease.release();
  }
}

/** The messages that a file is sent as, each by what it alone holds. */
export const messages = {
  'what makes the session fresh': /^(DISCARD ALL$|CLOSE ALL;)/,
  'the BEGIN and the guard': /^BEGIN\b.*EXECUTE pulse_migrate_open/s,
  'the file itself': /^EXECUTE pulse_migrate_inside .*\nCREATE TABLE t\d+ \(id int\)/s,
  'the look at what it left': /EXECUTE pulse_migrate_look/,
  'the ledger row and the COMMIT': /EXECUTE pulse_migrate_close.*COMMIT$/s,
} as const;

export type Kind = keyof typeof messages;

/** A session in which the message of that kind, of the file of that number, fails as if a cancel request had hit it. */
export function failingAt(kind: Kind, number: number, session: Session): Session {
  let met = 0;
  const told = (text: string) => {
    if (messages[kind].test(text)) met += 1;
    else return text;
    return met === number ? "DO $$ BEGIN RAISE 'cancelled' USING ERRCODE = '57014'; END $$" : text;
  };
  return {
    ...session,
    run: (text) => session.run(told(text)),
    rows: (statement) => session.rows(raw(told(statement.text))),
  };
}
