import { type ErrorCode, PulseError } from '../errors.ts';
import type { SettledState } from '../events.ts';
import type { Session } from '../postgres/session.ts';
import { describeBlocker } from './blockers.ts';
import {
  type IndexName,
  type IndexState,
  indexBuilders,
  indexState,
  meaningOf,
  objectExists,
  partitionState,
  quoted,
  reindexLeftovers,
  suspectIndexes,
} from './in-doubt-catalog.ts';
import type { BareStatement, NameParts } from './in-doubt-statement.ts';

/**
 * What the journal tells of earlier runs: whether the statement was begun with the very text it has now, and the
 * transaction of the mark. A mark is set only while the effect is not there, so that what is found later is its work.
 */
export interface EarlierRun {
  readonly sameText: boolean;
  readonly xid: string;
}

export interface Settling {
  readonly session: Session;
  /** Null when no run has begun the statement. */
  readonly earlier: EarlierRun | null;
  /** Runs a statement of ours that cannot run in a transaction, if the lease is still held. */
  readonly execute: (text: string) => Promise<void>;
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly warn: (message: string, hint: string) => void;
}

/** What to do with a statement. */
export interface Ruling {
  readonly next: 'run' | 'done';
  /** False when the effect is there already, so that the server will refuse or skip the statement. */
  readonly mark: boolean;
  /** What was settled, to be told once the statement is done; null when nothing was in doubt. */
  readonly found: { readonly object: string; readonly state: SettledState } | null;
}

const runFresh: Ruling = { next: 'run', mark: true, found: null };
const runUnmarked: Ruling = { next: 'run', mark: false, found: null };

function done(object: string): Ruling {
  return { next: 'done', mark: false, found: { object, state: 'done' } };
}

/**
 * Looks in the catalog at what earlier runs made of a statement, before it runs, and clears away what they left.
 * @throws {PulseError} `migration-failed` when that cannot be told or is not ours to clear away, `lock-not-obtained`
 * when somebody else builds the index for too long.
 */
export async function settle(settling: Settling, statement: BareStatement): Promise<Ruling> {
  switch (statement.kind) {
    case 'create-index':
      return settleIndex(settling, statement);
    case 'drop-index':
      return settleDrop(settling, statement);
    case 'reindex':
      return settleReindex(settling, statement);
    case 'detach-partition':
      return settleDetach(settling, statement);
    case 'create-object':
    case 'drop-object': {
      const exists = await objectExists(settling.session, statement.object, statement.name);
      if (exists !== (statement.kind === 'create-object')) return runFresh;
      return settling.earlier?.sameText ? done(`${statement.object} ${statement.name}`) : runUnmarked;
    }
    case 'other':
      return runFresh;
  }
}

type CreateIndex = Extract<BareStatement, { kind: 'create-index' }>;

async function settleIndex(settling: Settling, statement: CreateIndex): Promise<Ruling> {
  const { session, earlier } = settling;
  if (statement.name === null) {
    if (earlier !== null) await refuseUnnamed(session, statement.table, earlier);
    return runFresh;
  }
  const index = await withoutBuilders(settling, statement.table, statement.name);
  if (earlier !== null && !earlier.sameText) await warnOfOthers(settling, statement.table, index);
  switch (index.state) {
    case 'absent':
      return runFresh;
    case 'taken':
      return runUnmarked;
    case 'valid':
      return earlier?.sameText ? done(`index ${index.shown}`) : runUnmarked;
    case 'invalid':
      if (earlier === null) throw foreignInvalid(index);
      await settling.execute(`DROP INDEX CONCURRENTLY ${index.qualified}`);
      return { ...runFresh, found: { object: `index ${index.shown}`, state: 'invalid' } };
  }
}

/** For reading: in quotes only where it would be another name without them. */
function shown(name: NameParts): string {
  return name.map((part) => (/^[a-z_][a-z0-9_$]*$/.test(part) ? part : quoted([part]))).join('.');
}

function failed(message: string, hint: string, code: ErrorCode = 'migration-failed'): PulseError {
  return new PulseError(code, message, { hint });
}

function foreignInvalid(index: IndexName): PulseError {
  return failed(
    `index ${index.shown} is there and INVALID, and no run of this file has made it`,
    `see where it comes from; to have it built anew: DROP INDEX CONCURRENTLY ${index.qualified}; then run the command again`,
  );
}

const pollMs = 200;
const mostPolls = 150;

/**
 * An index that is INVALID because somebody is building it right now must not be dropped under them. Polled, because
 * whoever waits inside a statement makes the other's build deadlock (measured).
 */
async function withoutBuilders(settling: Settling, table: NameParts, name: string): Promise<IndexState> {
  for (let polls = 0; ; polls += 1) {
    // Builders first: a build that ends between the two questions is then seen as what it became.
    const [builder] = await indexBuilders(settling.session, table);
    const index = await indexState(settling.session, table, name);
    if (index.state !== 'invalid' || builder === undefined) return index;
    if (polls >= mostPolls) {
      const who = describeBlocker(builder);
      throw failed(
        `index ${index.shown} is INVALID and may still be under construction: ${who}`,
        `wait until that is done, or end it: SELECT pg_terminate_backend(${builder.pid}); then run the command again`,
        'lock-not-obtained',
      );
    }
    await settling.sleep(pollMs);
  }
}

/** Without a name nothing ties an index to the statement, and dropping the wrong one is worse than to ask. */
async function refuseUnnamed(session: Session, table: NameParts, earlier: EarlierRun): Promise<void> {
  const suspects = await suspectIndexes(session, table, earlier.xid);
  if (suspects.length === 0) return;
  const shown = suspects.map(({ shown, valid }) => `${shown}${valid ? '' : ' (INVALID)'}`).join(', ');
  const drops = suspects.filter(({ valid }) => !valid).map(({ qualified }) => `DROP INDEX CONCURRENTLY ${qualified};`);
  throw failed(
    `an earlier run began this statement, and as it names no index it cannot be told whether it made ${shown}`,
    drops.length > 0
      ? `if it did: ${drops.join(' ')} then give the index a name in the file and run the command again`
      : 'give the index a name in the file: with IF NOT EXISTS and the name above if that is the index, else with a new name',
  );
}

/** The text was changed since it was begun: what it made under another name nobody would ever clear away. */
async function warnOfOthers({ session, warn }: Settling, table: NameParts, own: IndexState): Promise<void> {
  for (const { shown, qualified } of await suspectIndexes(session, table, null)) {
    if (own.state !== 'absent' && own.qualified === qualified) continue;
    warn(
      `index ${shown} is INVALID, perhaps left by this statement as it was before it was edited`,
      `DROP INDEX CONCURRENTLY ${qualified};`,
    );
  }
}

async function settleDrop(
  { session, earlier }: Settling,
  statement: Extract<BareStatement, { kind: 'drop-index' }>,
): Promise<Ruling> {
  let anyLeft = false;
  for (const name of statement.names) {
    const meaning = await meaningOf(session, name);
    if (meaning === null) continue;
    anyLeft = true;
    if (earlier !== null && name.length === 1 && !meaning.first)
      throw failed(
        `an earlier run began to drop ${shown(name)}, which means ${meaning.shown} now and may have meant another index then`,
        'write the schema before the name in the file and run the command again',
      );
  }
  if (anyLeft) return runFresh;
  return earlier?.sameText ? done(`index ${statement.names.map(shown).join(', ')}`) : runUnmarked;
}

async function settleReindex(
  { session, earlier, execute }: Settling,
  statement: Extract<BareStatement, { kind: 'reindex' }>,
): Promise<Ruling> {
  const leftovers = earlier === null ? [] : await reindexLeftovers(session, statement);
  for (const { qualified } of leftovers) await execute(`DROP INDEX CONCURRENTLY ${qualified}`);
  if (leftovers.length === 0) return runFresh;
  const object = `index ${leftovers.map(({ shown }) => shown).join(', ')}`;
  return { ...runFresh, found: { object, state: 'leftover' } };
}

async function settleDetach(
  { session, earlier, execute }: Settling,
  { parent, partition }: Extract<BareStatement, { kind: 'detach-partition' }>,
): Promise<Ruling> {
  const object = `partition ${shown(partition)}`;
  switch (await partitionState(session, parent, partition)) {
    case 'attached':
      return runFresh;
    case 'unknown':
      return runUnmarked;
    case 'detached':
      return earlier?.sameText ? done(object) : runUnmarked;
    case 'pending':
      if (earlier === null) return runUnmarked;
      await execute(`ALTER TABLE ${quoted(parent)} DETACH PARTITION ${quoted(partition)} FINALIZE`);
      return { next: 'done', mark: false, found: { object, state: 'pending' } };
  }
}

/**
 * The server's success is not enough for an index: IF NOT EXISTS is content with an INVALID one, or with any other
 * relation of that name (measured).
 * @throws {PulseError} `migration-failed`.
 */
export async function refuseMissingIndex(session: Session, statement: BareStatement): Promise<void> {
  if (statement.kind !== 'create-index' || statement.name === null) return;
  const index = await indexState(session, statement.table, statement.name);
  if (index.state === 'valid') return;
  if (index.state === 'invalid') throw foreignInvalid(index);
  throw failed(
    `the server skipped the statement: ${index.state === 'absent' ? statement.name : index.shown} is not an index on ${shown(statement.table)}`,
    'give the index a name that is free',
  );
}

/**
 * What a statement that failed has left behind, one sentence each; empty when it left nothing, null where that cannot
 * be told.
 */
export async function leftBehind(
  session: Session,
  statement: BareStatement,
  direction: 'up' | 'down',
): Promise<readonly string[] | null> {
  switch (statement.kind) {
    case 'create-index': {
      if (statement.name === null) {
        const suspects = await suspectIndexes(session, statement.table, null);
        return suspects.map(
          ({ shown, qualified }) => `index ${shown} is INVALID: DROP INDEX CONCURRENTLY ${qualified};`,
        );
      }
      const index = await indexState(session, statement.table, statement.name);
      // A valid one may be the statement's own, cut off from its mark.
      if (index.state === 'valid') return null;
      if (index.state !== 'invalid') return [];
      return [`INVALID index ${index.shown} is left; the next ${direction} drops and rebuilds it`];
    }
    case 'reindex':
      return (await reindexLeftovers(session, statement)).map(
        ({ shown }) => `INVALID index ${shown} is left; the next ${direction} drops it`,
      );
    case 'detach-partition': {
      const { parent, partition } = statement;
      const pending = (await partitionState(session, parent, partition)) === 'pending';
      return pending ? [`partition ${shown(partition)} is half detached; the next ${direction} finishes that`] : [];
    }
    default:
      return null;
  }
}
