/** What every program on Node pays before its first line: `node -e 0`. */
export const node = {
  name: 'node -e 0',
  version: process.versions.node,
  command: () => ({ file: process.execPath, args: ['-e', '0'] }),
};
