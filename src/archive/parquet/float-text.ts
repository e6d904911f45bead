/**
 * A number as the server writes it with extra_float_digits = 1 (d2s.c, f2s.c): the shortest text that reads as it, with an
 * exponent below -4 and from `digits` on (15 for float8, 6 for float4).
 */
export function floatText(value: number, digits: 15 | 6): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  // A float4 is kept as the number that its text is, of which there is no middle to speak of.
  const [mantissa = '', power = ''] = (digits === 15 ? shortest(value) : value.toExponential()).split('e');
  const exponent = Number(power);
  if (exponent < -4 || exponent >= digits) {
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  const sign = value < 0 ? '-' : '';
  const all = mantissa.replace(/[-.]/g, '');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${all}`;
  const whole = all.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return all.length > exponent + 1 ? `${sign}${whole}.${all.slice(exponent + 1)}` : `${sign}${whole}`;
}

/**
 * JavaScript takes a text that lies exactly in the middle between two numbers, where the one with the even mantissa is
 * what it reads as (1e23); the server takes one digit more. Below 2^53 the middle has more digits than any text here.
 */
function shortest(value: number): string {
  const text = value.toExponential();
  if (Math.abs(value) < 2 ** 53 || isNearer(text, value)) return text;
  const length = text.replace(/e.*$/, '').replace(/[-.]/g, '').length;
  for (let more = length; more < 17; more += 1) {
    const longer = value.toExponential(more);
    if (isNearer(longer, value)) return longer.replace(/\.?0+e/, 'e');
  }
  return text;
}

/** Whether a text lies nearer to a number, a whole one of at least 2^53, than the middle between it and its neighbours. */
function isNearer(text: string, value: number): boolean {
  const [mantissa = '', power = ''] = text.split('e');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const zeros = Number(power) - fraction.length;
  if (zeros < 0) return true;
  const off = BigInt(whole + fraction) * 10n ** BigInt(zeros) - BigInt(Math.abs(value));
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, Math.abs(value));
  const gap = 1n << BigInt((bits.getUint32(0) >>> 20) - 1075);
  const isPower = (bits.getBigUint64(0) & ((1n << 52n) - 1n)) === 0n;
  return off >= 0n ? 2n * off < gap : (isPower ? -4n : -2n) * off < gap;
}
