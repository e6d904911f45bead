/** The public API: operations that return plain data, the types they speak in, and the one error. */

export { loadSettings } from './config/load.ts';
export type { FlagInput, Settings, Surroundings } from './config/settings.ts';
export { catalogue, type ErrorCode, type Location, type Problem, PulseError } from './errors.ts';
export type { Emit, ProgressEvent } from './events.ts';
export type { Actor, AppliedMigration, LedgerRow, LedgerState } from './ledger/ledger.ts';
export { readHistory, readLedger } from './ledger/read.ts';
export { readFolder } from './migrations/folder.ts';
export type { Folder, FolderOptions, Migration, MigrationFile } from './migrations/migration.ts';
export { type ConnectOptions, connect } from './postgres/connect.ts';
export { type ConnectionParameters, Secret } from './postgres/connection-parameters.ts';
export { type Interruption, interruptible } from './postgres/interruptible.ts';
export type { Session } from './postgres/session.ts';
export { givenUpWhenSilent } from './postgres/silence.ts';
export { type DownInput, type DownResult, down } from './runner/down.ts';
export { type GoToInput, type GoToResult, goTo, redo } from './runner/go-to.ts';
export { type BaselineResult, baseline, type RepairInput, type RepairResult, repair } from './runner/repair.ts';
export { type StatusResult, status } from './runner/status.ts';
export type { Done, RunnerDeps, Step } from './runner/step.ts';
export { type UpInput, type UpResult, up } from './runner/up.ts';
