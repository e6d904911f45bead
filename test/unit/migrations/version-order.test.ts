import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sortVersions } from '../../../src/migrations/version-order.ts';

function numbered(versions: readonly string[]) {
  return versions.map((version) => ({ version, number: BigInt(version) }));
}

function outcome(versions: readonly string[], order?: 'number' | 'text'): string {
  const ordered = sortVersions(numbered(versions), order);
  const [word, items] = 'sorted' in ordered ? ['sorted', ordered.sorted] : ['refused', ordered.disagreement];
  return `${word} ${items.map(({ version }) => version).join(' ')}`;
}

test.each([
  ['equal widths', ['0010', '0009', '0100'], 'sorted 0009 0010 0100'],
  ['an unpadded counter', ['10', '9', '100', '0'], 'sorted 0 9 10 100'],
  ['a padded counter that became a stamp', ['20260101000000', '0002', '0001'], 'sorted 0001 0002 20260101000000'],
  [
    '20 digits, beyond a bigint',
    ['18446744073709551616', '18446744073709551615'],
    'sorted 18446744073709551615 18446744073709551616',
  ],
  [
    '17 digits, beyond what a double counts',
    ['20260101000000002', '20260101000000001'],
    'sorted 20260101000000001 20260101000000002',
  ],
  [
    '12-digit stamps beside 14-digit ones',
    ['202601020000', '20260101000000', '202601010000'],
    'refused 202601020000 20260101000000',
  ],
  ['an unpadded number beside a padded one', ['9', '0010', '0001'], 'refused 9 0010'],
  ['an unpadded counter that became a stamp', ['1', '2', '10', '1700000000'], 'refused 2 10'],
])('%s', (_title, versions, expected) => {
  expect(outcome(versions)).toBe(expected);
});

test('the setting decides where the orders disagree', () => {
  const versions = ['202601020000', '20260101000000'];
  expect(outcome(versions, 'number')).toBe('sorted 202601020000 20260101000000');
  expect(outcome(versions, 'text')).toBe('sorted 20260101000000 202601020000');
});

test('whatever is sorted without a setting is in numeric order, and a refused pair is in no agreed order', () => {
  const version = fc.stringMatching(/^[0-9]{1,20}$/);
  const versions = fc.uniqueArray(version, { selector: (text) => BigInt(text), minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(versions, (list) => {
      const ordered = sortVersions(numbered(list), undefined);
      if ('sorted' in ordered) {
        for (const [at, item] of ordered.sorted.entries()) {
          const next = ordered.sorted[at + 1];
          if (next) expect(item.number < next.number).toBe(true);
        }
      } else {
        const [lower, higher] = ordered.disagreement;
        expect(lower.number < higher.number && lower.version > higher.version).toBe(true);
      }
    }),
  );
});
