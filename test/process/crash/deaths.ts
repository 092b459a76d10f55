/**
 * Where the process is made to kill itself, in this order on one directory, so that each recovery
 * finds what the death before it left. A number is how often the place is passed before: the first
 * write of a run records what fell due while it was down, later ones are those of requests.
 */
export const DEATHS = [
  'before-write:40',
  'after-half-write:60',
  'recover-after-truncate',
  'after-write:50',
  'before-sync:8',
  'after-sync:6',
  'before-rotate',
  'after-rotate',
  'snapshot-begin',
  'snapshot-half',
  'snapshot-before-rename',
  'snapshot-after-rename',
  'snapshot-after-delete',
  'before-write',
  'after-half-write',
  'recover-after-truncate',
  'after-write',
] as const;
