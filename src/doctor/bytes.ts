const units = ['kB', 'MB', 'GB', 'TB', 'PB'];

/** A number of bytes as people read it, in steps of 1024 as PostgreSQL's own pg_size_pretty: `3 kB`, `1.5 GB`. */
export function showBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} bytes`;
  let value = bytes;
  let unit = -1;
  do {
    value /= 1024;
    unit += 1;
  } while (value >= 1024 && unit < units.length - 1);
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ${units[unit]}`;
}
