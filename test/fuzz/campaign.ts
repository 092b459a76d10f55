/**
 * Two callers with tokens of different namespaces send a real sidecar whatever its contract allows,
 * and much that it does not, at the same time, and follow its events meanwhile. Requests follow
 * from the seed; how they meet does not, since there are several at once.
 */
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { scratchDirectory, start } from '../process/support.ts';
import { Chance } from '../simulation/kernel/chance.ts';
import { type Caller, Gossip } from './caller.ts';
import { contractOf } from './contract.ts';
import { complaintOf, leakIn } from './judge.ts';
import { requestFor } from './request.ts';
import { exchange } from './wire.ts';

export interface FuzzSettings {
  readonly seed: number;
  /** Whether to go on, after so many requests. */
  readonly goesOn: (requests: number) => boolean;
}

export interface FuzzOutcome {
  readonly requests: number;
  /** By operation and status. */
  readonly answers: ReadonlyMap<string, number>;
  readonly complaints: readonly string[];
  /** Bytes of events that were read. */
  readonly watched: number;
}

const LANES_PER_CALLER = 4;
const COMPLAINTS_MAX = 20;

const callerNamed = (name: string, more: readonly string[]): Caller => ({
  name,
  token: `token-of-${name}-${'t'.repeat(32)}`,
  namespaces: [name, ...more.map((each) => `${name}-${each}`)],
  marker: `MARK${name.toUpperCase()}${'Q'.repeat(8)}${name.toUpperCase()}MARK`,
});
const KINDS = ['counters', 'siblings', 'owned'];
const CALLERS = [callerNamed('alpha', KINDS), callerNamed('beta', KINDS)];

const CONFIGURATION = `
autoCreateNamespaces: false
namespaces:
${CALLERS.map(
  ({ name }) => `
  ${name}: { capacity: { leases: 500, entries: 500, bytes: 4Mi } }
  ${name}-counters: { conflict: counter, capacity: { leases: 500, entries: 500, bytes: 1Mi } }
  ${name}-siblings: { conflict: siblings, capacity: { leases: 500, entries: 500, bytes: 1Mi } }
  ${name}-owned: { conflict: ownerWins, durability: memory, capacity: { leases: 500, entries: 500, bytes: 1Mi } }
`,
).join('')}`;

export async function fuzz({ seed, goesOn }: FuzzSettings): Promise<FuzzOutcome> {
  const tokens = join(scratchDirectory(), 'tokens.yaml');
  const listed = CALLERS.map(({ name, token, namespaces }) => ({ subject: name, token, namespaces, verbs: ['*'] }));
  writeFileSync(tokens, JSON.stringify({ tokens: listed }));
  const sidecar = await start({
    dataDirectory: scratchDirectory(),
    configuration: CONFIGURATION,
    environment: { LEASEHOLD_TOKENS_FILE: tokens },
  });
  const port = Number(new URL(sidecar.url).port);
  const contract = contractOf(await (await fetch(`${sidecar.url}/openapi.json`)).json());
  const gossip = new Gossip();
  const complaints: string[] = [];
  const answers = new Map<string, number>();
  const complain = (sentence: string): void => void complaints.push(sentence);
  const watches = CALLERS.map((caller) => watch(port, caller, complain));
  let requests = 0;

  const lane = async (caller: Caller, chance: Chance): Promise<void> => {
    const others = CALLERS.filter((each) => each !== caller);
    const around = { chance, caller, others: others.flatMap(({ namespaces }) => namespaces), gossip, contract };
    while (complaints.length < COMPLAINTS_MAX && sidecar.end() === undefined && goesOn(requests)) {
      requests++;
      const request = requestFor(around, chance.pick(contract.operations));
      const reply = await exchange(port, request.bytes, !request.operation.streams);
      const place = `${request.operation.name} ${reply.status}`;
      answers.set(place, (answers.get(place) ?? 0) + 1);
      gossip.hear(reply.text);
      const complaint = complaintOf(request, reply, others);
      if (complaint !== undefined) complain(`${request.head} ${complaint}: ${reply.text.slice(0, 500)}`);
    }
  };
  const seeded = new Chance(seed);
  await Promise.all(
    CALLERS.flatMap((caller) =>
      Array.from({ length: LANES_PER_CALLER }, (_, index) => lane(caller, seeded.fork(`${caller.name} ${index}`))),
    ),
  );
  const watched = watches.reduce((sum, end) => sum + end(), 0);
  if (sidecar.end() !== undefined) complain(`The sidecar ended: ${sidecar.err().slice(-2000)}`);
  else if ((await fetch(`${sidecar.url}/livez`)).status !== 200) complain('The sidecar is not well');
  const ended = sidecar.end() ?? (await sidecar.stop());
  if (ended.code !== 0) complain(`The sidecar ended with ${JSON.stringify(ended)}`);
  for (const { token, marker } of CALLERS) {
    if (sidecar.err().includes(token)) complain('A token stands in the log');
    if (sidecar.err().includes(marker)) complain('What a caller wrote stands in the log');
  }
  return { requests, answers, complaints, watched };
}

/** Follows all events that a caller may see; returns what ends it and tells how much that was. */
function watch(port: number, caller: Caller, complain: (sentence: string) => void): () => number {
  const others = CALLERS.filter((each) => each !== caller);
  const socket = connect({ host: '127.0.0.1', port });
  let bytes = 0;
  let last = '';
  socket.setEncoding('latin1');
  socket.on('data', (piece: string) => {
    bytes += piece.length;
    const leak = leakIn(last + piece, others);
    if (leak !== undefined) complain(`${caller.name}'s events show what is ${leak}`);
    last = piece.slice(-200);
  });
  socket.on('error', () => {});
  socket.write(`GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${caller.token}\r\n\r\n`);
  return () => {
    socket.destroy();
    return bytes;
  };
}
