import { PulseError } from '../../errors.ts';
import { blockerWatch } from '../../postgres/blockers.ts';
import { explainOwnStatement } from '../../postgres/errors.ts';
import { ident, sql } from '../../postgres/sql.ts';
import { isTyped, typedName } from '../shown-name.ts';
import { abandonAttach, clearAwayAttach, giveUpKeys } from './attach/clear-away.ts';
import { proveCutover } from './attach/cutover-check.ts';
import { buildExtraIndexes } from './attach/extra-indexes.ts';
import { rollBackAttach } from './attach/roll-back.ts';
import { settleAttached } from './attach/settle.ts';
import type { AttachSpec } from './attach/spec.ts';
import { swapByAttach } from './attach/swap.ts';
import { beginConversion, type ConvertInput } from './begin.ts';
import { buildIndexes } from './build-indexes.ts';
import { beginCapture } from './capture.ts';
import { abandon, clearAway, giveUpOld, giveUpPartition } from './clear-away.ts';
import { type Conversion, conversionTable, type Phase, readConversion, readConversions } from './conversion.ts';
import { copyRows } from './copy.ts';
import type { ConvertDeps, Work } from './deps.ts';
import { catchUp } from './replay.ts';
import { rollBack } from './roll-back.ts';
import { settle } from './settle.ts';
import { nameSql, relationOid, sourceNow } from './source-facts.ts';
import { beginSplit, type SplitInput } from './split/begin.ts';
import { closeDefault, exchangePieces } from './split/exchange.ts';
import type { SplitSpec } from './split/spec.ts';
import { prepareWayBack, swap } from './swap.ts';
import { verifyCopy } from './verify.ts';

/** Converts a table that clients go on using, from the first look to the swap and the validated keys. Throws as its steps do. */
export async function convert(deps: ConvertDeps, input: ConvertInput): Promise<Conversion> {
  return working(deps, async (work) => {
    const begun = await beginConversion(work, input);
    return exclusively(work, begun, () => goOn(work, begun));
  });
}

/** Cuts a partition that clients go on using into smaller ones. Throws as its steps do. */
export async function split(deps: ConvertDeps, input: SplitInput): Promise<Conversion> {
  return working(deps, async (work) => {
    const begun = await beginSplit(work, input);
    return exclusively(work, begun, () => goOn(work, begun));
  });
}

/**
 * Goes on where a conversion stands, whatever ended the run before.
 * @throws {PulseError} `not-possible` where no conversion of that table is under way.
 */
export async function resume(deps: ConvertDeps, table: string): Promise<Conversion> {
  return onOne(deps, table, (work, conversion) => goOn(work, conversion));
}

/**
 * Ends a conversion before its swap; the table is as it was.
 * @throws {PulseError} `not-possible` behind the swap.
 */
export async function abort(deps: ConvertDeps, table: string): Promise<Conversion> {
  return onOne(deps, table, async (work, conversion) => {
    const { name, phase } = conversion;
    if (isAny(phase, ['swapped', 'completed'])) {
      throw new PulseError('not-possible', `${name} consists of partitions by now`, {
        hint:
          conversion.spec.split === undefined
            ? `pulse-migrate partition rollback ${typedName(conversion)}`
            : `pulse-migrate partition resume ${typedName(conversion)}`,
      });
    }
    return clearedAway(work, isOver(phase) ? conversion : await stepsOf(conversion).abandon(work));
  });
}

/**
 * Goes back to the old table behind the swap, with everything written since.
 * @throws {PulseError} `not-possible` before the swap, and as `rollBack` does.
 */
export async function undo(deps: ConvertDeps, table: string): Promise<Conversion> {
  return onOne(deps, table, async (work, conversion) => {
    const { name, phase, spec } = conversion;
    if (phase === 'rolled-back') return clearedAway(work, conversion);
    if (spec.split !== undefined && isAny(phase, ['swapped', 'completed'])) {
      throw new PulseError('not-possible', `${name} is split, and a split has no way back`, {
        hint: `what it was is kept as ${spec.oldName}, as it was at ${conversion.swappedAt}, until: pulse-migrate partition finish ${typedName(conversion)} --i-know`,
      });
    }
    if (!isAny(phase, ['swapped', 'completed'])) {
      throw new PulseError('not-possible', `the conversion of ${name} is ${phase}: there is nothing to roll back`, {
        hint:
          phase === 'finishing'
            ? `pulse-migrate partition resume ${typedName(conversion)}`
            : `pulse-migrate partition abort ${typedName(conversion)}`,
      });
    }
    return clearedAway(work, await stepsOf(conversion).rollBack(work));
  });
}

/**
 * Drops the old table for good.
 * @throws {PulseError} `not-possible` before everything is done or before the time to retain it is over.
 */
export async function finish(deps: ConvertDeps, table: string): Promise<Conversion> {
  return onOne(deps, table, async (work, conversion) => {
    const { name, phase, mayFinish, spec } = conversion;
    if (phase === 'finishing') return clearedAway(work, conversion);
    if (phase !== 'completed') {
      throw new PulseError('not-possible', `the conversion of ${name} is ${phase}, not completed`, {
        hint: `pulse-migrate partition resume ${typedName(conversion)}`,
      });
    }
    if (!mayFinish) {
      throw new PulseError(
        'not-possible',
        `${spec.oldName} is to be kept for ${inHours(spec.retainMs)} after the swap at ${conversion.swappedAt}`,
        {
          hint: `run the command again then${spec.split === undefined ? `; until then there is a way back: pulse-migrate partition rollback ${typedName(conversion)}` : ''}`,
        },
      );
    }
    return clearedAway(work, await stepsOf(conversion).giveUpOld(work));
  });
}

function inHours(ms: number): string {
  return ms % 3_600_000 === 0 ? `${ms / 3_600_000} h` : `${Math.ceil(ms / 60_000)} min`;
}

function isAny(phase: Phase, those: readonly Phase[]): boolean {
  return those.includes(phase);
}

/** Only clearing away is left. */
function isOver(phase: Phase): boolean {
  return isAny(phase, ['aborted', 'rolled-back', 'finishing', 'finished']);
}

/** What the strategies do each in its own way. */
function stepsOf(conversion: Conversion) {
  const { attach, split: cut } = conversion.spec;
  if (cut !== undefined) {
    return {
      abandon: (work: Work) => abandon(work, conversion),
      rollBack: async () => conversion,
      giveUpOld: (work: Work) => giveUpPartition(work, conversion),
    };
  }
  return attach === undefined
    ? {
        abandon: (work: Work) => abandon(work, conversion),
        rollBack: (work: Work) => rollBack(work, conversion),
        giveUpOld: (work: Work) => giveUpOld(work, conversion),
      }
    : {
        abandon: (work: Work) => abandonAttach(work, conversion, attach),
        rollBack: (work: Work) => rollBackAttach(work, conversion, attach),
        giveUpOld: (work: Work) => giveUpKeys(work, conversion, attach),
      };
}

async function clearedAway(work: Work, conversion: Conversion): Promise<Conversion> {
  const { attach } = conversion.spec;
  return attach === undefined ? clearAway(work, conversion) : clearAwayAttach(work, conversion, attach);
}

async function goOn(work: Work, begun: Conversion): Promise<Conversion> {
  const { attach } = begun.spec;
  if (begun.endedAt === null && !isAny(begun.phase, ['swapped', 'completed']) && !isOver(begun.phase)) {
    await assertThere(work, begun);
  }
  return attach === undefined ? goOnCopying(work, begun) : goOnAttaching(work, begun, attach);
}

async function assertThere({ session }: Work, conversion: Conversion): Promise<void> {
  if ((await sourceNow(session, conversion)) === nameSql(conversion)) return;
  throw new PulseError('not-possible', `${conversion.name} was dropped or renamed since its conversion began`, {
    hint: `pulse-migrate partition abort ${typedName(conversion)}`,
  });
}

/**
 * Each step looks at the catalog for what is there already: of indexes that are built outside of transactions no row
 * could say more.
 */
async function goOnAttaching(work: Work, begun: Conversion, attach: AttachSpec): Promise<Conversion> {
  switch (begun.phase) {
    case 'prepared':
      await buildExtraIndexes(work, begun);
      await proveCutover(work, begun, attach);
      return goOnAttaching(work, await swapByAttach(work, begun, attach), attach);
    case 'swapped':
      return settleAttached(work, begun);
    case 'completed':
      return begun;
    default:
      return begun.endedAt === null ? clearAwayAttach(work, begun, attach) : begun;
  }
}

/** One step after the other, each from what the row of the conversion says. */
async function goOnCopying(work: Work, begun: Conversion): Promise<Conversion> {
  const { split } = begun.spec;
  let conversion = begun;
  for (;;) {
    switch (conversion.phase) {
      case 'prepared':
        conversion = await beginCapture(work, conversion);
        break;
      case 'copying':
        conversion = await copyRows(work, conversion);
        break;
      case 'indexing':
        conversion = await buildIndexes(work, conversion);
        break;
      case 'replaying':
        await catchUp(work, conversion, 'forward');
        await verifyCopy(work, conversion);
        conversion = await (split === undefined
          ? exchangeTables(work, conversion)
          : exchangePartitions(work, conversion, split));
        break;
      case 'swapped':
        conversion = await settle(work, conversion);
        break;
      case 'completed':
        return conversion;
      default:
        return conversion.endedAt === null ? clearAway(work, conversion) : conversion;
    }
  }
}

async function exchangeTables(work: Work, conversion: Conversion): Promise<Conversion> {
  await prepareWayBack(work, conversion);
  return swap(work, conversion);
}

async function exchangePartitions(work: Work, conversion: Conversion, spec: SplitSpec): Promise<Conversion> {
  await closeDefault(work, conversion, spec);
  return exchangePieces(work, conversion, spec);
}

async function onOne(
  deps: ConvertDeps,
  table: string,
  act: (work: Work, conversion: Conversion) => Promise<Conversion>,
): Promise<Conversion> {
  return working(deps, async (work) => {
    const conversion = await openConversion(work, table);
    return exclusively(work, conversion, async () =>
      act(work, await readConversion(work.session, work.toolSchema, conversion.id)),
    );
  });
}

async function openConversion({ session, toolSchema }: Work, table: string): Promise<Conversion> {
  const oid = await relationOid(session, table);
  const open = await readConversions(session, toolSchema, sql`ended_at IS NULL`);
  const found =
    open.find(({ sourceOid, targetOid }) => oid !== null && [sourceOid, targetOid].includes(oid)) ??
    // Somebody has dropped it, or it is split and has another name.
    open.find((conversion) => (oid === null || conversion.spec.split !== undefined) && isTyped(conversion, table));
  if (found !== undefined) return found;
  throw new PulseError('not-possible', `no conversion of ${table} is under way`, {
    hint: 'pulse-migrate partition status shows all of them',
  });
}

/** Who is to leave clients room takes one core of the server, also where an index is built or rows are compared. */
const alone = 'SET max_parallel_maintenance_workers = 0; SET max_parallel_workers_per_gather = 0';

async function working(deps: ConvertDeps, act: (work: Work) => Promise<Conversion>): Promise<Conversion> {
  if (deps.session.pooled) {
    throw new PulseError(
      'pooler-refused',
      'a conversion holds its place by a lock of its session, which a pooler would give to others',
      {
        hint: 'connect to the server itself',
      },
    );
  }
  const blockers = blockerWatch(deps);
  try {
    if (deps.duty < 1) await deps.session.run(alone);
    return await act({ ...deps, blockers });
  } catch (error) {
    if (error instanceof PulseError && error.code === 'interrupted') {
      throw new PulseError('interrupted', error.message, {
        hint: 'how far it is, and what to type next: pulse-migrate partition status',
        cause: error,
      });
    }
    throw explainOwnStatement(error, 'converting the table');
  } finally {
    blockers.close();
  }
}

/** The class of our advisory locks; arbitrary. */
const lockClass = 587_110_324;
/** The backend of a client that was killed lives until it notices. */
const triesForLock = 50;
const betweenTriesMs = 200;

async function exclusively(work: Work, conversion: Conversion, act: () => Promise<Conversion>): Promise<Conversion> {
  const { session } = work;
  for (let tries = 1; ; tries += 1) {
    const [row] = await session.rows<{ mine: boolean }>(
      sql`SELECT pg_catalog.pg_try_advisory_lock(${lockClass}, ${conversion.id}) AS mine`,
    );
    if (row?.mine === true) break;
    if (tries === triesForLock) {
      throw new PulseError('lock-not-obtained', `another run is at work on the conversion of ${conversion.name}`, {
        hint: 'see how far it is: pulse-migrate partition status',
      });
    }
    await work.sleep(betweenTriesMs);
  }
  try {
    const done = await act();
    await remember(work, conversion, null);
    return done;
  } catch (error) {
    await remember(work, conversion, error instanceof Error ? error.message : String(error)).catch(() => {});
    throw error;
  } finally {
    await session.rows(sql`SELECT pg_catalog.pg_advisory_unlock(${lockClass}, ${conversion.id})`).catch(() => {});
  }
}

async function remember({ session, toolSchema }: Work, { id }: Conversion, message: string | null): Promise<void> {
  await session.run(
    sql`UPDATE ${ident(toolSchema, conversionTable)} SET last_error = ${message} WHERE id = ${id}`.text,
  );
}
