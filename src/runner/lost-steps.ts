import { PulseError } from '../errors.ts';
import type { Direction } from '../events.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import { readLedger, recordedEntries } from '../ledger/read.ts';
import type { Session } from '../postgres/session.ts';
import type { NamedStep } from './step.ts';

/** A step whose COMMIT the server has confirmed. */
export interface ConfirmedStep extends NamedStep {
  readonly direction: Direction;
}

/** What the server has confirmed to a run, by the entries of the ledger rows. */
export type Confirmed = Map<string, ConfirmedStep>;

/**
 * A COMMIT that was confirmed is not there for good: a standby that is promoted may never have received it, and a server
 * with synchronous_commit off may lose it in a crash. So wherever a run goes on, the record is asked for its rows. The
 * record is only ever added to, hence a missing row means just that. A timeline would tell less: it is the same after a
 * crash, and says nothing of what was lost.
 * @throws {PulseError} `connection-lost` that names what is lost.
 */
export async function refuseLost(session: Session, schema: string, confirmed: Confirmed): Promise<void> {
  if (confirmed.size === 0) return;
  const recorded = await recordedEntries(session, schema, [...confirmed.keys()]);
  const lost = [...confirmed].filter(([entry]) => !recorded.has(entry)).map(([, step]) => step);
  if (lost.length === 0) return;
  const ledger = await readLedger(session, schema);
  throw new PulseError('connection-lost', `the server that answers now has lost what was committed: ${sayLost(lost)}`, {
    hint: 'make sure that no other server takes writes as well (a failover to a standby that lagged behind, or a crash with synchronous_commit off); then run the command again, which starts from what is there',
    now: [`${session.target} has no record of it, and nothing after it was run there`],
    result: { lost, ledger } satisfies Loss,
  });
}

function sayLost(lost: readonly ConfirmedStep[]): string {
  const of = (direction: Direction) => lost.filter((step) => step.direction === direction);
  const names = (steps: readonly ConfirmedStep[]) => steps.map(({ version, name }) => `${version}_${name}`).join(', ');
  const parts = [
    of('up').length > 0 ? `${names(of('up'))} (applied by this run)` : null,
    of('down').length > 0 ? `${names(of('down'))} (undone by this run)` : null,
  ];
  return parts.filter((part) => part !== null).join('; ');
}

/** What a failure that `refuseLost` threw tells besides its message, as long as nobody has given it another result. */
interface Loss {
  readonly lost: readonly ConfirmedStep[];
  /** As it is where the run would have gone on. */
  readonly ledger: LedgerState;
}

/** What a failure that `refuseLost` threw names; nothing for any other. */
export function lostIn(error: PulseError): readonly ConfirmedStep[] {
  return (error.result as Loss | null | undefined)?.lost ?? [];
}

/** Steps in one direction without those a failure says are lost. */
export function withoutLost<Named extends NamedStep>(
  steps: readonly Named[],
  direction: Direction,
  lost: readonly ConfirmedStep[],
): Named[] {
  const isLost = ({ version }: NamedStep) =>
    lost.some((step) => step.version === version && step.direction === direction);
  return steps.filter((step) => !isLost(step));
}
