/** A number as migration files carry it. */
export function digits(number, width = 4) {
  return String(number).padStart(width, '0');
}
