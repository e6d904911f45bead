// A file of our own: `import()` of a CommonJS package gives another object in the bundle than in the sources.
export { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
