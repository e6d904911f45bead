import type { Location, Problem, PulseError } from '../../errors.ts';
import { visible } from '../../visible.ts';
import type { Style } from '../style.ts';

/** More problems than fit on a screen hide the first of them. */
const shownAtMost = 20;

/** An error as a person reads it: where, what, the line with a caret, what the server said, what to type next. */
export function renderError(error: PulseError, style: Style, columns: number): string {
  const { problems, location, server } = error;
  const lines = [
    `${style.bad(`${style.symbols.failed} ${error.code}`)}  ${shownPlace(location, error.message, style)}${harmless(error.message)}`,
  ];
  if (location?.excerpt !== undefined) lines.push(...excerpt(location, style, columns));
  if (server !== undefined) {
    lines.push(`  ${style.faint('SQLSTATE')} ${server.sqlstate}`);
    for (const [label, text] of [
      ['detail', server.detail],
      ['hint of the server', server.hint],
      ['context', server.context],
    ] as const) {
      if (text !== undefined) lines.push(`  ${style.faint(label)} ${harmless(text).replaceAll('\n', '\n    ')}`);
    }
  }
  // One problem whose sentence is the error's own says it once.
  if (problems.length > 1 || (problems[0] !== undefined && problems[0].message !== error.message)) {
    lines.push(...problems.slice(0, shownAtMost).flatMap((problem) => renderProblem(problem, style)));
    if (problems.length > shownAtMost) lines.push(`  … and ${problems.length - shownAtMost} more`);
  }
  for (const sentence of error.now) lines.push(`  ${harmless(sentence)}`);
  lines.push(`  ${style.accent(style.symbols.pointer)} ${harmless(error.hint)}`);
  return `${lines.join('\n')}\n`;
}

/** What was typed, or what a server says, must not steer the terminal that shows it; lines stay lines. */
function harmless(text: string): string {
  return text.split('\n').map(visible).join('\n');
}

function renderProblem(problem: Problem, style: Style): string[] {
  const where = shownPlace(problem.location, problem.message, style);
  const lines = [`  ${style.bad('-')} ${where}${harmless(problem.message)}`];
  if (problem.hint !== undefined) lines.push(`      ${style.accent(style.symbols.pointer)} ${harmless(problem.hint)}`);
  return lines;
}

/** Most messages name their file themselves; then only a line is worth saying again. */
function shownPlace(location: Location | undefined, message: string, style: Style): string {
  if (location === undefined) return '';
  const { file, line, column } = location;
  if (line === undefined) return message.includes(file) ? '' : `${style.strong(file)}  `;
  return `${style.strong(`${file}:${line}${column === undefined ? '' : `:${column}`}`)}  `;
}

/** The line and a caret below it; a long line is cut around the place. */
function excerpt(location: Location, style: Style, columns: number): string[] {
  const gutter = `${location.line ?? ''} | `;
  const room = Math.max(20, columns - gutter.length - 4);
  const characters = [...(location.excerpt ?? '')].map((character) =>
    character === '\t' ? ' ' : character.replace(/\p{Cc}/u, '·'),
  );
  const at = Math.max(0, (location.column ?? 1) - (location.excerptColumn ?? 1));
  const from = Math.max(0, Math.min(at - Math.floor(room / 2), characters.length - room));
  const text = characters.slice(from, from + room).join('');
  return [`  ${style.faint(gutter)}${text}`, `  ${' '.repeat(gutter.length + (at - from))}${style.bad('^')}`];
}
