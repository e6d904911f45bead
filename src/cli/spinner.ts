import type { OutputStream } from './runtime.ts';

/** One line that moves while something goes on, and goes away before anything else is printed. */
export interface Spinner {
  show(text: string): void;
  clear(): void;
}

/** ora costs more to start than all else together, so it is loaded at the first text, and only on a terminal. */
export function terminalSpinner(stream: OutputStream): Spinner | null {
  const { terminal } = stream;
  if (terminal === null) return null;
  let text = '';
  let wanted = false;
  let loading = false;
  let ora: { text: string; start(): unknown; stop(): unknown } | null = null;
  const load = async () => {
    const { default: create } = await import('ora');
    // discardStdin would put the terminal into raw mode, where Ctrl-C is no signal.
    ora = create({ stream: terminal, discardStdin: false, text });
    if (wanted) ora.start();
  };
  return {
    show: (next) => {
      text = next;
      wanted = true;
      if (ora !== null) {
        ora.text = next;
        ora.start();
      } else if (!loading) {
        loading = true;
        // Without the library there is no spinner, which is all that is lost.
        load().catch(() => {});
      }
    },
    clear: () => {
      wanted = false;
      ora?.stop();
    },
  };
}
