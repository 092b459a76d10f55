/** One request for each route. */

export interface Sample {
  readonly url: string;
  readonly document?: unknown;
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

/** A request each route answers with success, where there is what it names: lease `known`, entry `known`. */
export const SAMPLES: Readonly<Record<string, Sample>> = {
  grantLease: { url: '/v1/leases', document: { holder: 'h' } },
  listLeases: { url: '/v1/leases?limit=1&state=live&implicit=true&namespace=default&holder=h' },
  renewLeases: { url: '/v1/leases/renew', document: { ids: ['known', 'unknown'] } },
  getLease: { url: '/v1/leases/known' },
  renewLease: { url: '/v1/leases/known/renew', document: { ttlMs: 1000 } },
  transferLease: { url: '/v1/leases/known/transfer', document: { holder: 'successor' } },
  releaseLease: { url: '/v1/leases/known' },
  putEntry: { url: '/v1/entries/default/new?ttlMs=1000', body: 'value' },
  getEntry: { url: '/v1/entries/default/known?consistency=ledger' },
  headEntry: { url: '/v1/entries/default/known' },
  deleteEntry: { url: '/v1/entries/default/known' },
  listEntries: { url: '/v1/entries/default?prefix=k&limit=1&values=true' },
  incrementEntry: { url: '/v1/entries/counters/c/increment', document: { by: 2 } },
  batch: {
    url: '/v1/batch',
    document: {
      operations: [
        { op: 'put', namespace: 'default', key: 'b', value: 'aGk=' },
        { op: 'get', namespace: 'default', key: 'b' },
        { op: 'get', namespace: 'siblings', key: 'two' },
        { op: 'increment', namespace: 'counters', key: 'b', by: 1 },
        { op: 'renew', id: 'known' },
        { op: 'renew', id: 'unknown' },
        { op: 'delete', namespace: 'default', key: 'b' },
      ],
    },
  },
  watch: { url: '/v1/events?types=entry.ended&namespace=default&prefix=k&lease=l' },
  status: { url: '/v1/status' },
  reconcile: { url: '/v1/reconcile', document: { dryRun: true } },
  live: { url: '/livez' },
  ready: { url: '/readyz' },
  metrics: { url: '/metrics' },
  openApi: { url: '/openapi.json' },
};
