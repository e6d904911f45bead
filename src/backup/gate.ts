import { PulseError } from '../errors.ts';
import type { Backup } from './take-backup.ts';

/** Everything the decision rests on. */
export interface GateQuestion {
  /** Whether the database holds rows of its users. */
  readonly dataExists: boolean;
  readonly flags: {
    /** `--backup DIR`: absolute path, or null. */
    readonly backupDirectory: string | null;
    readonly backupDone: boolean;
    readonly yes: boolean;
  };
  readonly policy: 'ask' | 'require' | 'skip';
  /** `backup.directory` of the configuration: absolute path, or null. */
  readonly configuredDirectory: string | null;
  /** A person can be asked. */
  readonly interactive: boolean;
}

/** What to do about a backup before anything is changed. */
export type GateDecision =
  | { readonly action: 'skip' }
  | { readonly action: 'take'; readonly directory: string }
  | { readonly action: 'declared'; readonly by: '--backup-done' | 'configuration' }
  | { readonly action: 'answered'; readonly by: '--yes' }
  | { readonly action: 'ask' }
  | { readonly action: 'refuse' };

/**
 * Decides without doing. A flag that was typed is obeyed even where no data exists; `--yes` answers the question of the
 * policy `ask`, but is no backup, which is what `require` wants.
 */
export function decideBackup(question: GateQuestion): GateDecision {
  const { flags, policy, configuredDirectory } = question;
  if (flags.backupDirectory !== null) return { action: 'take', directory: flags.backupDirectory };
  if (!question.dataExists) return { action: 'skip' };
  if (flags.backupDone) return { action: 'declared', by: '--backup-done' };
  if (policy === 'skip') return { action: 'declared', by: 'configuration' };
  if (policy === 'require' && configuredDirectory !== null) return { action: 'take', directory: configuredDirectory };
  if (policy === 'ask' && flags.yes) return { action: 'answered', by: '--yes' };
  return { action: question.interactive ? 'ask' : 'refuse' };
}

/** How it is known that a backup exists, or is not needed; kept in the ledger's details. */
export type BackupProof =
  | { readonly proof: 'none-needed' }
  | ({ readonly proof: 'taken' } & Backup)
  | { readonly proof: 'declared'; readonly by: '--backup-done' | 'configuration' }
  | { readonly proof: 'answered'; readonly by: '--yes' | 'person' };

/** One answer a person can choose. */
interface Choice<Id extends string> {
  readonly id: Id;
  readonly label: string;
}

/** Asks a person; injected, since only the edge knows a terminal. Resolves to the id of the choice made. */
export type Ask = <Id extends string>(question: string, choices: readonly Choice<Id>[]) => Promise<Id>;

export interface GateDependencies {
  readonly ask: Ask;
  /** Takes the backup into a directory (absolute path). */
  readonly take: (directory: string) => Promise<Backup>;
  /** Where a backup goes when the answer is to take one and no directory is configured: absolute path. */
  readonly defaultDirectory: string;
}

/**
 * Lets a run go on only when a backup exists, is not needed, or a person has taken the matter on.
 * @throws {PulseError} `confirmation-needed`, and whatever `take` throws.
 */
export async function backupGate(dependencies: GateDependencies, question: GateQuestion): Promise<BackupProof> {
  const decision = decideBackup(question);
  switch (decision.action) {
    case 'skip':
      return { proof: 'none-needed' };
    case 'take':
      return { proof: 'taken', ...(await dependencies.take(decision.directory)) };
    case 'declared':
      return { proof: 'declared', by: decision.by };
    case 'answered':
      return { proof: 'answered', by: decision.by };
    case 'ask':
      return askPerson(dependencies, question.configuredDirectory ?? dependencies.defaultDirectory);
    case 'refuse':
      throw new PulseError('confirmation-needed', 'the database holds data, and nothing says that a backup exists', {
        hint:
          question.policy === 'require'
            ? 'add --backup DIR to take one now, or --backup-done if you have one (backup.policy is "require")'
            : 'add --backup DIR to take one now, --backup-done if you have one, or --yes to go on without',
      });
  }
}

async function askPerson({ ask, take }: GateDependencies, directory: string): Promise<BackupProof> {
  const answer = await ask('The database holds data. Is there a backup to go back to?', [
    { id: 'take', label: `take one now, into ${directory}` },
    { id: 'have', label: 'I have one' },
    { id: 'stop', label: 'stop here' },
  ]);
  if (answer === 'take') return { proof: 'taken', ...(await take(directory)) };
  if (answer === 'have') return { proof: 'answered', by: 'person' };
  throw new PulseError('confirmation-needed', 'stopped before anything was changed', {
    hint: 'take a backup and run the command again, or add --backup DIR',
  });
}
