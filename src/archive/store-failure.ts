import { PulseError } from '../errors.ts';

/** What a file system or a storage service refuses, as a failure of the archive. A PulseError goes through as it is. */
export function storeFailure(error: unknown, shown: string): unknown {
  if (error instanceof PulseError || !(error instanceof Error)) return error;
  const code = (error as NodeJS.ErrnoException).code ?? error.name;
  const hint = hints.get(code) ?? 'correct the cause, then run the command again';
  return new PulseError('archive-failed', `${shown}: ${reasonOf(error)}`, { hint, cause: error });
}

function reasonOf(error: Error): string {
  const { message, name } = error;
  return message === '' || message === 'UnknownError' ? name : message;
}

const hints: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'make room, or name another place with --to'],
  ['EACCES', 'give the user that runs this the right to write there, or name another place with --to'],
  ['EROFS', 'name another place with --to'],
  ['ENOENT', 'the archive is not where it was put: bring it back there'],
  ['NoSuchBucket', 'make the bucket, or correct its name'],
  ['NoSuchKey', 'the archive is not where it was put: bring it back there'],
  ['AccessDenied', 'give the key the rights s3:PutObject, s3:GetObject, s3:DeleteObject and s3:AbortMultipartUpload'],
  ['InvalidAccessKeyId', 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'],
  ['SignatureDoesNotMatch', 'correct AWS_SECRET_ACCESS_KEY'],
  ['CredentialsProviderError', 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile with AWS_PROFILE'],
]);
