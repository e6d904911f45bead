/** The process as the program sees it. Built once in main.ts; a test builds its own. */
export interface Runtime {
  /** Without the two first words: what a person typed. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly stdinIsTerminal: boolean;
  readonly now: () => Date;
  /** Rejects with the reason of `signal` when that is aborted. */
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Calls `beat` again and again until the function it gives is called; does not keep the process alive. */
  readonly every: (milliseconds: number, beat: () => void) => () => void;
  readonly newId: () => string;
  /** A number in [0, 1), different each time. */
  readonly chance: () => number;
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP; its reason is the PulseError to end with. */
  readonly signal: AbortSignal;
  /** Asks a person one question and gives the line typed. Only called when stdin is a terminal. */
  readonly ask: (question: string) => Promise<string>;
  readonly homeDirectory: string | null;
  readonly userName: string | null;
  readonly hostName: string;
  readonly uid: number | null;
  readonly pid: number;
  readonly temporaryDirectory: string;
  readonly platform: NodeJS.Platform;
  readonly architecture: string;
}

export interface OutputStream {
  readonly isTerminal: boolean;
  /** The stream itself where it is a terminal, for what moves on the screen; else null. */
  readonly terminal: NodeJS.WriteStream | null;
  /** Characters a line holds; 80 where it is not a terminal. */
  readonly columns: number;
  /** Nobody reads it any more, or it cannot be written to; known behind the write that failed. */
  readonly isGone: boolean;
  write(text: string): void;
}
