import type { LedgerState } from '../ledger/ledger.ts';
import type { LockPatience } from '../postgres/lock-schedule.ts';
import type { Session } from '../postgres/session.ts';
import { firstLockTimeout } from './first-lock-timeout.ts';
import { type Answers, canBeSentWhole, sendWhole } from './send-whole.ts';
import type { Done, Run, RunnerDeps, Step } from './step.ts';

/**
 * So many files, and characters of theirs, are on their way to the server at once. Filled again when half of the files
 * are through: each filling costs a wait, and what is on its way is kept in memory.
 */
const atMost = { files: 64, characters: 1_000_000 } as const;

/** The files of a run that are sent before those in front of them have been answered. */
export interface Ahead {
  /** What a step's ledger row is called, in all of its tries. */
  entryOf(step: Step): string;
  /** Sends the step at this place and those behind it, as far as nothing has to be waited for in between. */
  fill(index: number): void;
  isSent(step: Step): boolean;
  /** What a step was sent as; null when it was not. */
  take(step: Step): Answers | null;
  /** What is on its way does not run any more: something before it has failed. */
  drop(): void;
  /** After a lost connection: steps on their way, which may be done although nobody heard of it. */
  inDoubt(): readonly Step[];
  /** After a lost connection: which of them are done. Those that are not are sent again. */
  settle(ledger: LedgerState, recorded: ReadonlySet<string>): void;
  /** Set where `settle` has found that a step is done. */
  doneOf(step: Step): Done | undefined;
}

/** `session` is asked for each time, since a run goes on in another one after a lost connection. */
export function sendingAhead(
  deps: RunnerDeps,
  run: Run,
  steps: readonly Step[],
  patience: LockPatience,
  { session, entryOf }: { readonly session: () => Session; readonly entryOf: (step: Step) => string },
): Ahead {
  const entries = new Map<Step, string>();
  const entry = (step: Step): string => {
    const known = entries.get(step) ?? entryOf(step);
    entries.set(step, known);
    return known;
  };
  const sent = new Map<Step, Answers>();
  const done = new Map<Step, Done>();
  let next = 0;
  let characters = 0;
  let last: string | null = null;
  const forget = () => {
    sent.clear();
    next = 0;
    characters = 0;
  };
  const send = (step: Step) => {
    const attempt = { lockTimeoutMs: firstLockTimeout(step.file.directives, patience), waitedMs: 0 };
    const stepRun = { ...run, entry: entry(step) };
    sent.set(step, sendWhole({ ...deps, session: session() }, stepRun, step, attempt, last));
    last = stepRun.entry;
    characters += step.file.text.length;
  };
  return {
    entryOf: entry,
    fill: (index) => {
      if (next <= index) {
        next = index;
        last = null;
      }
      if (deps.signal.aborted || sent.size > atMost.files / 2) return;
      for (let step = steps[next]; step !== undefined; step = steps[next]) {
        if (sent.size >= atMost.files || characters >= atMost.characters) return;
        if (done.has(step) || !canBeSentWhole(session(), step)) return;
        send(step);
        next += 1;
      }
    },
    isSent: (step) => sent.has(step),
    take: (step) => {
      const answers = sent.get(step) ?? null;
      if (answers !== null) characters -= step.file.text.length;
      sent.delete(step);
      return answers;
    },
    drop: forget,
    inDoubt: () => [...sent.keys()],
    settle: (ledger, recorded) => {
      for (const step of sent.keys()) {
        if (!recorded.has(entry(step))) continue;
        const { version, name, number } = step;
        const durationMs = ledger.applied.find((applied) => applied.number === number)?.durationMs ?? 0;
        done.set(step, { version, name, durationMs });
      }
      forget();
    },
    doneOf: (step) => done.get(step),
  };
}
