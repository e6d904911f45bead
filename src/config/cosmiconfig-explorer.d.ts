/**
 * The class behind cosmiconfig 9.0.2. Its public function cannot be used: whatever options it gets, it first looks
 * for a configuration of its own in the current folder and executes `.config/config.js` there.
 */
declare module 'cosmiconfig/dist/Explorer.js' {
  type Loader = (filepath: string, content: string) => unknown;
  interface ExplorerOptions {
    readonly moduleName: string;
    readonly packageProp: string;
    readonly searchPlaces: readonly string[];
    readonly ignoreEmptySearchPlaces: boolean;
    readonly searchStrategy: 'none';
    readonly cache: boolean;
    readonly loaders: Readonly<Record<string, Loader>>;
    readonly transform: <Result>(result: Result) => Result;
    readonly metaConfigFilePath: null;
    readonly mergeImportArrays: boolean;
  }
  interface Found {
    readonly filepath: string;
    readonly config: unknown;
    readonly isEmpty?: boolean;
  }
  class Explorer {
    constructor(options: ExplorerOptions);
    search(from: string): Promise<Found | null>;
    load(filepath: string): Promise<Found | null>;
  }
}
