/**
 * What a token may allow. Each route names its verb, so that a new one cannot be left unguarded.
 *
 *     read     one entry, lists of entries, leases
 *     write    put, delete, increment, batch (whose reads take `read` too); grant, renew, release, transfer
 *     watch    the stream of events
 *     operate  the status page, a round asked for by hand
 *     metrics  what a scraper collects
 */
export const VERBS = ['read', 'write', 'watch', 'operate', 'metrics'] as const;

export type Verb = (typeof VERBS)[number];
