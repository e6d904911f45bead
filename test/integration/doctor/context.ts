import type { CheckContext } from '../../../src/doctor/check.ts';
import type { Migration } from '../../../src/migrations/migration.ts';
import { parseRecordedFile } from '../../../src/migrations/parse-file.ts';
import type { Session } from '../../../src/postgres/session.ts';
import { programRunner } from '../../../src/programs.ts';

/** What checks look at in a project without files and a database without a ledger. */
export function contextOf(session: Session, more: Partial<CheckContext> = {}): CheckContext {
  return {
    session,
    folder: null,
    ledger: { schema: 'pulse_migrate', layout: 0, running: false, applied: [], unfinished: [] },
    pending: [],
    disagreements: [],
    ledgerSchema: 'pulse_migrate',
    projectDirectory: '/',
    freeSpaceCommand: null,
    partitioned: [],
    now: () => new Date(),
    run: programRunner({ PATH: process.env['PATH'] }),
    ...more,
  };
}

/** A pending migration with this SQL. */
export function pendingMigration(sql: string): Migration {
  return { version: '0001', number: 1n, name: 'x', up: parseRecordedFile('migrations/0001_x.up.sql', sql), down: null };
}
