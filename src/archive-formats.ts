/** How archived rows are written: the server's own CSV with a header, or one JSON object a line. */
export const formats = ['csv', 'jsonl'] as const;
export type Format = (typeof formats)[number];
