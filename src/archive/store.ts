/** Where archives are kept: a directory or S3-compatible storage. Names are relative to what was given as the place. */
export interface Store {
  /** The place as it is named to people, without secrets, ending in a slash. */
  readonly shown: string;
  /** Writes a new object; what fails on the way leaves nothing of that name. Fails when it is there already. */
  put(name: string, content: AsyncIterable<Buffer>): Promise<void>;
  /** The content of an object, part by part. */
  get(name: string): AsyncIterable<Buffer>;
  /** How long an object is. */
  size(name: string): Promise<number>;
  /** Some bytes of an object, from one place to before another. */
  part(name: string, from: number, to: number): Promise<Buffer>;
  remove(name: string): Promise<void>;
}

/** What a place is opened with. */
export interface StoreOptions {
  /** Of S3-compatible storage that is not Amazon's: `https://….r2.cloudflarestorage.com`; null: as the environment says. */
  readonly endpoint: string | null;
  readonly cwd: string;
  /** The environment, with the keys and the region. */
  readonly env: Readonly<Record<string, string | undefined>>;
}
