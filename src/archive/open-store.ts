import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PulseError } from '../errors.ts';
import type { Store, StoreOptions } from './store.ts';

/**
 * The store of a place as typed: `s3://bucket/prefix`, `file:///directory` or a directory.
 * @throws {PulseError} `usage` for anything else.
 */
export async function openStore(place: string, options: StoreOptions): Promise<Store> {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]+):\/\//.exec(place)?.[1]?.toLowerCase() ?? null;
  if (scheme === 's3') {
    const { bucket, prefix } = bucketOf(place);
    const { s3Store } = await import('./s3-store.ts');
    return s3Store(bucket, prefix, options);
  }
  if (scheme !== null && scheme !== 'file') {
    throw new PulseError('usage', `archives are kept in a directory or at s3://, not at ${scheme}://`, {
      hint: 'for example: --to s3://bucket/pulse, with --endpoint for R2 or MinIO; or --to /var/archive',
    });
  }
  const { directoryStore } = await import('./directory-store.ts');
  return directoryStore(scheme === 'file' ? fileURLToPath(place) : resolve(options.cwd, place));
}

function bucketOf(place: string): { readonly bucket: string; readonly prefix: string } {
  const [, bucket, prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/i.exec(place) ?? [];
  if (bucket === undefined) {
    throw new PulseError('usage', `${place} names no bucket`, { hint: 'for example: --to s3://bucket/pulse' });
  }
  const path = prefix.replace(/\/+$/, '');
  return { bucket, prefix: path === '' ? '' : `${path}/` };
}
