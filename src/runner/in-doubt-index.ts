import type { PulseError } from '../errors.ts';
import { describeBlocker } from '../postgres/blockers.ts';
import type { Session } from '../postgres/session.ts';
import { type IndexName, type IndexState, indexBuilders, indexState, suspectIndexes } from './in-doubt-catalog.ts';
import {
  done,
  type EarlierRun,
  failed,
  type Ruling,
  runFresh,
  runUnmarked,
  type Settling,
  shown,
} from './in-doubt-ruling.ts';
import type { BareStatement, NameParts } from './in-doubt-statement.ts';

type CreateIndex = Extract<BareStatement, { kind: 'create-index' }>;

/** Before a CREATE INDEX, as `settle` says. */
export async function settleIndex(settling: Settling, statement: CreateIndex): Promise<Ruling> {
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
  const names = suspects.map(({ shown: name, valid }) => `${name}${valid ? '' : ' (INVALID)'}`).join(', ');
  const drops = suspects.filter(({ valid }) => !valid).map(({ qualified }) => `DROP INDEX CONCURRENTLY ${qualified};`);
  throw failed(
    `an earlier run began this statement, and as it names no index it cannot be told whether it made ${names}`,
    drops.length > 0
      ? `if it did: ${drops.join(' ')} then give the index a name in the file and run the command again`
      : 'give the index a name in the file: with IF NOT EXISTS and the name above if that is the index, else with a new name',
  );
}

/** The text was changed since it was begun: what it made under another name nobody would ever clear away. */
async function warnOfOthers({ session, warn }: Settling, table: NameParts, own: IndexState): Promise<void> {
  for (const { shown: name, qualified } of await suspectIndexes(session, table, null)) {
    if (own.state !== 'absent' && own.qualified === qualified) continue;
    warn(
      `index ${name} is INVALID, perhaps left by this statement as it was before it was edited`,
      `DROP INDEX CONCURRENTLY ${qualified};`,
    );
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
