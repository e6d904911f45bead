/** Major, minor and patch. */
type Version = readonly [number, number, number];

/** `5.22.0` of `5.22.0-dev.1` or `v5.22.0`, or null. */
export function versionOf(text: string): Version | null {
  const found = /^v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?$/.exec(text.trim());
  return found === null ? null : [Number(found[1]), Number(found[2]), Number(found[3])];
}

/**
 * Whether a version is in a range of package.json. Only the forms npm itself writes are judged (`5.1.0`, `^5.1.0`,
 * `~5.1.0`); null for any other (`>=5`, `latest`, `workspace:*`), about which nothing is said.
 */
export function inRange(version: string, range: string): boolean | null {
  const found = /^([\^~]?)(\S+)$/.exec(range.trim());
  const wanted = versionOf(found?.[2] ?? '');
  const have = versionOf(version);
  if (found === null || wanted === null || have === null) return null;
  if (compareVersions(have, wanted) < 0) return false;
  switch (found[1]) {
    case '~':
      return have[0] === wanted[0] && have[1] === wanted[1];
    case '^': {
      // The leftmost number that is not zero stays as it is.
      const kept = wanted[0] > 0 ? 1 : wanted[1] > 0 ? 2 : 3;
      return have.slice(0, kept).join('.') === wanted.slice(0, kept).join('.');
    }
    default:
      return compareVersions(have, wanted) === 0;
  }
}

function compareVersions(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
