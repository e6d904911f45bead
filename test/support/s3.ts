import S3rver from 's3rver';

/** A server that speaks S3, with an empty bucket `archive`, whose content is kept in `directory`. */
export async function startS3(directory: string) {
  const server = new S3rver({
    ...{ address: '127.0.0.1', port: 0, silent: true, directory },
    configureBuckets: [{ name: 'archive', configs: [] }],
  });
  const { port } = await server.run();
  return {
    endpoint: `http://127.0.0.1:${port}`,
    env: { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' },
    [Symbol.asyncDispose]: () => server.close(),
  };
}
