/** How archived rows are written: the server's own CSV with a header, one JSON object a line, or that CSV as Parquet. */
export const formats = ['csv', 'jsonl', 'parquet'] as const;
export type Format = (typeof formats)[number];
