// A file of our own: `import()` of a CommonJS package gives another object in the bundle than in the sources.
export { Explorer } from 'cosmiconfig/dist/Explorer.js';
