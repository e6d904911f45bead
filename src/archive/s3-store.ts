import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { PulseError } from '../errors.ts';
import type { Store, StoreOptions } from './store.ts';
import { storeFailure } from './store-failure.ts';

/** Of a part of an upload, of which so many are on their way at once. What is being sent is in memory: 3 x 8 MiB. */
const partBytes = 8 * 1024 * 1024;
const partsAtOnce = 2;

/**
 * S3 or what speaks its protocol (R2, MinIO). Keys, region and profile come as the AWS SDK finds them: environment,
 * shared files, instance. An upload that fails is aborted, so that no part of it is left to be paid for.
 */
export function s3Store(bucket: string, prefix: string, { endpoint, env }: StoreOptions): Store {
  const shown = `s3://${bucket}/${prefix}`;
  const client = new S3Client({
    ...(endpoint !== null && { endpoint, forcePathStyle: true }),
    ...regionOf(env, endpoint),
    ...keysOf(env),
    // Not every server that speaks the protocol knows the newer checksums; the manifest has one of its own.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  const at = (name: string) => ({ Bucket: bucket, Key: `${prefix}${name}` });
  const told = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw storeFailure(error, shown);
    }
  };
  return {
    shown,
    put: (name, content) =>
      told(async () => {
        if (await isThere(client, at(name))) {
          throw new PulseError('archive-failed', `${shown}${name} is there already`, { hint: 'run the command again' });
        }
        const params = { ...at(name), Body: Readable.from(content, { objectMode: false }) };
        await new Upload({
          client,
          params,
          partSize: partBytes,
          queueSize: partsAtOnce,
          leavePartsOnError: false,
        }).done();
      }),
    get: async function* (name) {
      const { Body } = await told(() => client.send(new GetObjectCommand(at(name))));
      try {
        for await (const part of Body as Readable) yield part as Buffer;
      } catch (error) {
        throw storeFailure(error, shown);
      }
    },
    size: (name) => told(async () => (await client.send(new HeadObjectCommand(at(name)))).ContentLength ?? 0),
    part: (name, from, to) =>
      told(async () => {
        const { Body } = await client.send(new GetObjectCommand({ ...at(name), Range: `bytes=${from}-${to - 1}` }));
        const parts: Buffer[] = [];
        for await (const part of Body as Readable) parts.push(part as Buffer);
        return Buffer.concat(parts);
      }),
    remove: (name) => told(async () => void (await client.send(new DeleteObjectCommand(at(name))))),
  };
}

/** What is no Amazon knows no regions, but wants one to be named. */
function regionOf(env: StoreOptions['env'], endpoint: string | null): { readonly region?: string } {
  const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? (endpoint === null ? undefined : 'us-east-1');
  return region === undefined ? {} : { region };
}

/** As the environment of the command says; where it says nothing the SDK looks at its files and at the machine. */
function keysOf(env: StoreOptions['env']): Pick<S3ClientConfig, 'credentials'> {
  const [accessKeyId, secretAccessKey] = [env['AWS_ACCESS_KEY_ID'], env['AWS_SECRET_ACCESS_KEY']];
  if (accessKeyId === undefined || secretAccessKey === undefined) return {};
  const sessionToken = env['AWS_SESSION_TOKEN'];
  return { credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) } };
}

async function isThere(client: S3Client, at: { readonly Bucket: string; readonly Key: string }): Promise<boolean> {
  try {
    await client.send(new HeadObjectCommand(at));
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === 'NotFound') return false;
    throw error;
  }
}
