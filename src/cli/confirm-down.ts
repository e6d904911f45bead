import { redactText } from '../config/redact.ts';
import type { Settings } from '../config/settings.ts';
import { PulseError } from '../errors.ts';
import type { ConnectionParameters } from '../postgres/connection-parameters.ts';
import type { Session } from '../postgres/session.ts';
import type { Step } from '../runner/step.ts';
import type { Invocation } from './cli.ts';
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
  const result = { wouldRevert: planned.map(({ version, name }) => ({ version, name })) };
  const known = invocation.flags['iKnow'];
  const list = shortList(planned.map(({ version, name }) => `${version}_${name}`));
  const database = parameters.database;
  if (known === undefined) {
    throw new PulseError(
      'confirmation-needed',
      `this would undo ${count(planned.length, 'migration')} in database ${database}:\n${list}`,
      {
        hint: `if that is meant: ${asTyped(invocation)} --i-know${settings.protected ? ` ${quoted(database)}` : ''}`,
        result,
      },
    );
  }
  if (typeof known === 'string' && known !== database) {
    throw new PulseError(
      'confirmation-needed',
      `--i-know names database ${known}, but this is database ${database}; nothing was undone`,
      {
        hint: `if this database is meant: --i-know ${quoted(database)}`,
        result,
      },
    );
  }
  if (settings.protected && known !== database) {
    throw new PulseError(
      'confirmation-needed',
      `${settings.environment === null ? 'this environment' : `environment ${settings.environment}`} is protected: --i-know wants the name of the database; this would undo:\n${list}`,
      {
        hint: `if that is meant: --i-know ${quoted(database)}`,
        result,
      },
    );
  }
  return gateBeforeDown(invocation, { planned, session, parameters, settings });
}

/**
 * The whole line again: without its `--steps` or `--to` it would undo something else than what was just listed.
 * Secrets go before the quoting, behind which they would not be recognised.
 */
function asTyped({ runtime, secrets }: Invocation): string {
  const words = runtime.argv.map((word) => quoted(redactText(word, [...secrets])));
  return ['pulse-migrate', ...words].join(' ');
}

function quoted(word: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
