import { test } from 'vitest';
import { Campaign, PLANS } from './convergence.test.ts';
test('debug', async () => {
  const [plan, seed] = (process.env['CASE'] ?? '5,1').split(',').map(Number);
  const campaign = new Campaign(seed!, PLANS[plan!]![1]);
  await campaign.run(120);
  await campaign.heal();
  const t0 = campaign.world.time.now();
  for (const s of campaign.world.sidecars) {
    console.log('=====', s.replica.actor, s.replica.predecessors, s.reconciliation.reasons());
    s.replica.takeChanged(() => {});
    const image = campaign.world.ledger.image();
    for (let n = 0; n < 4; n++) {
      const d = s.replica.digests('default', n, false)!;
      const p = image.partitions.get(`${n}:default`);
      const l = p?.owners.get(s.replica.actor)?.owned ?? {count:0,high:0,low:0};
      const m = d.owned.get(s.replica.actor) ?? {count:0,high:0,low:0};
      if (JSON.stringify(l) === JSON.stringify(m) && (!campaign.plan.contract.mirror || JSON.stringify(d.root) === JSON.stringify(p?.root))) continue;
      console.log(n, 'local', m, 'ledger', l, 'unswept', s.replica.unswept('default', n), d.root, p?.root);
      const ids = new Set<string>();
      s.replica.forEachHeld('default', n, (id, own) => { ids.add(id); console.log('held', id, own, JSON.stringify(s.held(id)), JSON.stringify(s.replica.recordToPush('default', id, 0), (_k, v) => (v instanceof Uint8Array ? Buffer.from(v).toString() : v))); });
      for (const [id, r] of p?.records ?? []) {
        for (const x of r.siblings) console.log('ledger', id, x.dot, x.session, 'due in', x.deadline - t0, Buffer.from(x.value).toString());
        console.log('   ctx', id, JSON.stringify(r.context), JSON.stringify(r.ends.map((e) => [e.dot, e.reason, e.by, e.told])), 'score', p!.expiry.scoreOf(id));
        ids.add(id);
      }
      for (const f of s.facts) if ('key' in f && ids.has(f.key)) console.log((f.at - t0).toFixed(0), f.kind, f.key, JSON.stringify(f.dot), (f as any).reason ?? '', f.implicit, (f.deadline - t0).toFixed(0));
      console.log(s.link.sent.filter(({ at, operation }) => at?.partition === n && operation !== 'pull').slice(-60).map(({ operation, request, reply, sentAt }) => `${(sentAt - t0).toFixed(0)} ${operation} ${operation === 'beat' ? JSON.stringify((request as any).owned ?? null) + ' -> ' + (reply as any)?.history + JSON.stringify((reply as any)?.vouched) + JSON.stringify((reply as any)?.owned) : operation === 'sweep' ? (request as any).scope + (request as any).dryRun + JSON.stringify((reply as any)?.removed) : operation === 'push' ? JSON.stringify((request as any).records.map((r: any) => [r.id, r.siblings.map((x: any) => x.dot.seq)])) + JSON.stringify((reply as any)?.results?.map((r: any) => r.code)) : ''}`).join('\n'));
    }
  }
});
