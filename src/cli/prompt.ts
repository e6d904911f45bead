import type { Invocation } from './cli.ts';
import { styleFor } from './style.ts';

/** One answer a person can choose. */
interface Choice<Id extends string> {
  readonly id: Id;
  readonly label: string;
}

/** Asks until the answer is one of the choices: by number, by name, or by its first letters. */
export async function askChoice<Id extends string>(
  invocation: Invocation,
  question: string,
  choices: readonly Choice<Id>[],
): Promise<Id> {
  const { runtime, global, progress } = invocation;
  const style = styleFor(runtime.stderr, runtime.env, global.noColour);
  progress.stop();
  runtime.stderr.write(
    `${style.strong(question)}\n${choices.map(({ label }, index) => `  ${index + 1}  ${label}`).join('\n')}\n`,
  );
  for (;;) {
    const answer = (await runtime.ask(`1-${choices.length}: `)).trim().toLowerCase();
    const chosen = choices[Number(answer) - 1] ?? choices.find(({ id }) => answer !== '' && id.startsWith(answer));
    if (chosen !== undefined) return chosen.id;
  }
}
