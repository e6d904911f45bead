import kleur from 'kleur';
import type { OutputStream, Runtime } from './runtime.ts';

type Paint = (text: string) => string;

/** Colours and symbols for one stream. Without colour every paint gives its text back. */
export interface Style {
  readonly good: Paint;
  readonly bad: Paint;
  readonly careful: Paint;
  readonly faint: Paint;
  readonly strong: Paint;
  readonly accent: Paint;
  readonly symbols: {
    readonly done: string;
    readonly failed: string;
    readonly warning: string;
    readonly unknown: string;
    readonly pointer: string;
  };
}

const unicode = { done: '✔', failed: '✖', warning: '!', unknown: '?', pointer: '›' };
const ascii = { done: 'ok', failed: 'x', warning: '!', unknown: '?', pointer: '>' };

/**
 * Decides by the conventions of no-color.org and force-color.org: NO_COLOR beats everything when it is not empty,
 * whatever its value; `--no-color` likewise; then FORCE_COLOR; then whether this stream is a terminal that can.
 */
export function wantsColour(stream: OutputStream, env: Runtime['env'], noColourFlag: boolean): boolean {
  if (noColourFlag || (env['NO_COLOR'] ?? '') !== '') return false;
  const force = env['FORCE_COLOR'];
  if (force !== undefined) return force !== '0' && force !== 'false';
  return stream.isTerminal && env['TERM'] !== 'dumb';
}

/** The style of one stream. */
export function styleFor(stream: OutputStream, env: Runtime['env'], noColourFlag: boolean): Style {
  const symbols = speaksUnicode(env) ? unicode : ascii;
  if (!wantsColour(stream, env, noColourFlag)) {
    const plain: Paint = (text) => text;
    return { good: plain, bad: plain, careful: plain, faint: plain, strong: plain, accent: plain, symbols };
  }
  kleur.enabled = true;
  return {
    good: kleur.green,
    bad: kleur.red,
    careful: kleur.yellow,
    faint: kleur.gray,
    strong: kleur.bold,
    accent: kleur.cyan,
    symbols,
  };
}

function speaksUnicode(env: Runtime['env']): boolean {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '';
  return env['TERM'] !== 'linux' && (locale === '' || /utf-?8/i.test(locale));
}
