/** How a folder numbers its migrations, and the number that comes next. */

type Style =
  | { readonly kind: 'counter'; readonly width: number }
  | { readonly kind: 'stamp'; readonly write: (now: Date) => string };

/** 2026-01-02T03:04:05.678Z as 20260102030405678, in UTC so that two people in two zones agree. */
function utcDigits(now: Date): string {
  return now.toISOString().replace(/\D/g, '');
}

/** Stamps by their number of digits; 12 and 14 are dates without and with seconds, 10 and 13 count since 1970. */
const stamps: Readonly<Record<number, (now: Date) => string>> = {
  10: (now) => String(Math.floor(now.getTime() / 1000)),
  12: (now) => utcDigits(now).slice(0, 12),
  13: (now) => String(now.getTime()),
  14: (now) => utcDigits(now).slice(0, 14),
  17: (now) => utcDigits(now),
};

/** The folder's own style, which is that of its highest version: a folder that changed its style keeps the new one. */
function styleOf(versions: readonly string[], highest: string): Style {
  const write = stamps[highest.length];
  if (write && !highest.startsWith('0')) return { kind: 'stamp', write };
  const padded = versions.some((version) => version.length > 1 && version.startsWith('0'));
  return { kind: 'counter', width: padded ? highest.length : 1 };
}

/** The version after all of `versions`, in their style; four digits for the first of a folder. Null when its width is used up. */
export function nextVersion(versions: readonly string[], now: Date): string | null {
  const [first, ...others] = versions;
  if (first === undefined) return '0001';
  const highest = others.reduce((high, version) => (BigInt(version) > BigInt(high) ? version : high), first);
  const style = styleOf(versions, highest);
  const following = BigInt(highest) + 1n;
  if (style.kind === 'counter') {
    const version = following.toString().padStart(style.width, '0');
    return style.width > 1 && version.length > style.width ? null : version;
  }
  // A clock that is behind, or two migrations in one second: still later than all others.
  const stamp = style.write(now);
  return BigInt(stamp) > BigInt(highest) ? stamp : following.toString();
}
