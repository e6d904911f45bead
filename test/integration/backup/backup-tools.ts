import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { BackupDependencies } from '../../../src/backup/take-backup.ts';
import type { ProgressEvent } from '../../../src/events.ts';
import { programRunner } from '../../../src/programs.ts';

/** A directory of one test alone. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'pulse-migrate-backup-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** What a backup needs of the world, with the events it emitted; `path` stands in for the operator's PATH. */
export function backupWorld(path = process.env['PATH'] ?? '') {
  const events: ProgressEvent[] = [];
  const abort = new AbortController();
  const dependencies: BackupDependencies = {
    emit: (event) => events.push(event),
    now: () => new Date('2026-02-03T04:05:06.789Z'),
    sleep: async (milliseconds) => void (await delay(milliseconds)),
    signal: abort.signal,
    environment: { PATH: path, HOME: '/nonexistent' },
  };
  return { events, abort, dependencies };
}

/** Programs named pg_dump and pg_restore that say this version and otherwise run `script`. */
export function fakeTools(version: string, script = 'exit 0'): string {
  const directory = temporaryDirectory();
  for (const name of ['pg_dump', 'pg_restore']) {
    const path = join(directory, name);
    writeFileSync(
      path,
      `#!/bin/sh\nif [ "$1" = --version ]; then echo "${name} (PostgreSQL) ${version}"; exit; fi\n${script}\n`,
    );
    chmodSync(path, 0o755);
  }
  return `${directory}:${process.env['PATH']}`;
}

/** The major of the pg_dump in PATH, or 0: the npm packages bring servers alone, so a machine may have none. */
export async function dumpMajor(): Promise<number> {
  const { stdout } = await programRunner({ PATH: process.env['PATH'] })('pg_dump', ['--version']);
  return Number(/\(PostgreSQL\) (\d+)/.exec(stdout)?.[1] ?? 0);
}
