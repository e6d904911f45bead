import { expect, test } from 'vitest';
import { progressSink } from '../../../src/cli/progress.ts';
import type { ProgressEvent } from '../../../src/events.ts';

const started: ProgressEvent = {
  type: 'migration-started',
  version: '0001',
  name: 'a',
  direction: 'up',
  index: 0,
  total: 1,
};
const time = { waitedMs: 0, limitMs: 60_000 };
const lease: ProgressEvent = { type: 'lease-waiting', holder: 'anna', ...time };
const lost: ProgressEvent = { type: 'reconnecting', reason: 'refused', ...time };
const lock: ProgressEvent = {
  type: 'lock-waiting',
  version: '0001',
  attempt: 1,
  attempts: 4,
  pauseMs: 100,
  blockers: ['pid 812, psql'],
};

test('without a terminal a wait is told at once when it begins, not again and again, and each failed try for a lock', () => {
  const lines: string[] = [];
  let now = 0;
  const stream = {
    isTerminal: false,
    terminal: null,
    columns: 80,
    isGone: false,
    write: (text: string) => void lines.push(text),
  };
  const sink = progressSink(
    { env: {}, stdout: stream, stderr: stream, now: () => new Date(now) },
    { json: false, quiet: false, verbose: false, noColour: true },
  );

  for (const event of [started, started, lease, lease, lost, lost, lease, started, lock, { ...lock, attempt: 2 }]) {
    sink.emit(event);
    now += 100;
  }
  now += 5000;
  sink.emit(lease);

  expect(lines.map((line) => line.slice(0, 22))).toEqual([
    'applying 0001_a (1 of ',
    'waiting for another ru',
    'connection lost, conne',
    'waiting for another ru',
    '0001 did not get a loc',
    '0001 did not get a loc',
    'waiting for another ru',
  ]);
});

test('of a large file the share, the rate and the time left are told, and a try that begins anew is measured anew', () => {
  const lines: string[] = [];
  let now = 0;
  const stream = {
    isTerminal: false,
    terminal: null,
    columns: 80,
    isGone: false,
    write: (text: string) => void lines.push(text),
  };
  const sink = progressSink(
    { env: {}, stdout: stream, stderr: stream, now: () => new Date(now) },
    { json: false, quiet: false, verbose: false, noColour: true },
  );
  const mebibytes = (number: number): ProgressEvent => ({
    type: 'migration-progress',
    version: '0001',
    bytes: number * 1_048_576,
    totalBytes: 100 * 1_048_576,
  });

  for (const done of [0, 50, 10, 60]) {
    sink.emit(mebibytes(done));
    now += 10_000;
  }

  expect(lines).toEqual([
    '0001: 0 B of 100.0 MiB\n',
    '0001: 50.0 MiB of 100.0 MiB, 5.0 MiB/s, 10.0 s left\n',
    '0001: 10.0 MiB of 100.0 MiB\n',
    '0001: 60.0 MiB of 100.0 MiB, 5.0 MiB/s, 8.0 s left\n',
  ]);
});

test('of an archive rows, bytes, rate and time left are told, without a share where the guess of the rows was too low', () => {
  const lines: string[] = [];
  let now = 0;
  const stream = {
    isTerminal: false,
    terminal: null,
    columns: 80,
    isGone: false,
    write: (text: string) => void lines.push(text),
  };
  const sink = progressSink(
    { env: {}, stdout: stream, stderr: stream, now: () => new Date(now) },
    { json: false, quiet: false, verbose: false, noColour: true },
  );
  const mebibyte = 1_048_576;
  const written = (rows: number, totalRows: number | null, totalBytes: number | null = null): ProgressEvent => ({
    ...{ type: 'archive-progress', table: 'logs_1', phase: totalBytes === null ? 'writing' : 'reading back' },
    ...{ rows, totalRows, bytes: rows * mebibyte, totalBytes },
  });

  for (const event of [
    ...[written(0, 100), written(20, 100), written(120, 100), written(140, null)],
    ...[written(70, 140, 140 * mebibyte), written(105, 140, 140 * mebibyte)],
  ]) {
    sink.emit(event);
    now += 10_000;
  }

  expect(lines).toEqual([
    'logs_1 writing: 0 of about 100 rows, 0 B\n',
    'logs_1 writing: 20 of about 100 rows, 20.0 MiB, 2.0 MiB/s, 40.0 s left\n',
    'logs_1 writing: 120 rows, 120.0 MiB, 6.0 MiB/s\n',
    'logs_1 writing: 140 rows, 140.0 MiB, 4.7 MiB/s\n',
    'logs_1 reading back: 70 of 140 rows, 70.0 MiB\n',
    'logs_1 reading back: 105 of 140 rows, 105.0 MiB, 3.5 MiB/s, 10.0 s left\n',
  ]);
});
