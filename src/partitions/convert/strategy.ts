/** How rows get into partitions: copied into new ones, or the table itself becomes the first one. */
export const strategies = ['copy', 'attach'] as const;
export type Strategy = (typeof strategies)[number];
