import type { Session } from '../postgres/session.ts';
import {
  indexState,
  meaningOf,
  objectExists,
  partitionState,
  publicationsOf,
  quoted,
  reindexLeftovers,
  suspectIndexes,
} from './in-doubt-catalog.ts';
import { settleIndex } from './in-doubt-index.ts';
import { done, failed, type Ruling, runFresh, runUnmarked, type Settling, shown } from './in-doubt-ruling.ts';
import type { BareStatement } from './in-doubt-statement.ts';

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
    case 'add-publications':
    case 'drop-publications':
      return settlePublications(settling, statement);
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
  const object = `index ${leftovers.map((index) => index.shown).join(', ')}`;
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

/** The catalog changes as a whole or not at all, whatever became of the slots at the publisher. */
async function settlePublications(
  { session, earlier }: Settling,
  statement: Extract<BareStatement, { kind: 'add-publications' | 'drop-publications' }>,
): Promise<Ruling> {
  const there = await publicationsOf(session, statement.subscription);
  if (there === null) return runUnmarked;
  const wanted = statement.kind === 'add-publications';
  if (statement.publications.some((name) => there.includes(name) !== wanted)) return runFresh;
  return earlier?.sameText ? done(`subscription ${shown([statement.subscription])}`) : runUnmarked;
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
        (index) => `INVALID index ${index.shown} is left; the next ${direction} drops it`,
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
