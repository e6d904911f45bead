import type { Settings } from '../config/settings.ts';
import type { ConnectionParameters } from '../postgres/connection-parameters.ts';
import type { Session } from '../postgres/session.ts';
import type { Step } from '../runner/step.ts';
import type { Invocation } from './cli.ts';
import { confirm } from './confirm.ts';
import { count, shortList } from './render/format.ts';
import { gateBeforeDown } from './safety.ts';

export interface DownQuestion {
  readonly planned: readonly Step[];
  readonly session: Session;
  readonly parameters: ConnectionParameters;
  readonly settings: Settings;
}

/**
 * Nothing is undone by accident: `--i-know` says that it is meant, in a protected environment with the database's own
 * name, and data that would go is backed up first.
 * @throws {PulseError} `confirmation-needed`, with what would be undone.
 */
export async function confirmDown(
  invocation: Invocation,
  question: DownQuestion,
): Promise<Readonly<Record<string, unknown>>> {
  const { planned, session, parameters, settings } = question;
  confirm(invocation, {
    settings,
    database: parameters.database,
    would: `undo ${count(planned.length, 'migration')}`,
    list: shortList(planned.map(({ version, name }) => `${version}_${name}`)),
    result: { wouldRevert: planned.map(({ version, name }) => ({ version, name })) },
  });
  return gateBeforeDown(invocation, { planned, session, parameters, settings });
}
