/** How grave the finding of a check is here: `ignore` accepts it, `warning` goes on with it, `failure` stops. */
export type Severity = 'ignore' | 'warning' | 'failure';
