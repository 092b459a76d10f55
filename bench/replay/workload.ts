/**
 * A file of workload rows: published means of real cache clusters. Loaded, checked whole (every
 * complaint at once, with its path), and turned into a plan the traffic can be drawn from.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const OPERATIONS = ['get', 'gets', 'set', 'add', 'cas', 'incr'] as const;
export type Operation = (typeof OPERATIONS)[number];

const share = z.number().min(0).max(1);

const clusterSchema = z.strictObject({
  name: z.string().min(1),
  category: z.string().optional(),
  keyBytes: z.int().min(4).max(512),
  valueBytes: z.int().min(1).max(1024 * 1024),
  requestRateKqps: z.number().positive().optional(),
  /** Requests per distinct key. */
  meanFrequency: z.number().min(1),
  oneHitWonderPercent: z.number().min(0).max(100).optional(),
  ttls: z.array(z.strictObject({ ttlMs: z.int().positive(), share })).min(1),
  operations: z
    .partialRecord(z.enum(OPERATIONS), share)
    .refine((shares) => Object.values(shares).some((value) => value > 0), 'needs one share above 0'),
  zipfAlpha: z.number().min(0).max(10),
});

const fileSchema = z.strictObject({
  source: z.string(),
  note: z.string().optional(),
  clusters: z.array(clusterSchema).min(1),
});

export type Cluster = z.infer<typeof clusterSchema>;
export type WorkloadFile = z.infer<typeof fileSchema>;

export class WorkloadError extends Error {
  override readonly name = 'WorkloadError';
}

/** Checks parsed JSON; `path` is only for the message. @throws WorkloadError */
export function parseWorkload(content: unknown, path: string): WorkloadFile {
  const result = fileSchema.safeParse(content);
  if (result.success) return result.data;
  const complaints = result.error.issues.map(
    (issue) => `  ${issue.path.join('.') || '(whole file)'}: ${issue.message}`,
  );
  throw new WorkloadError(`Cannot use ${path}:\n${complaints.join('\n')}`);
}

/** Reads and checks a workload file. @throws WorkloadError */
export function loadWorkload(path: string): WorkloadFile {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new WorkloadError(`Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  return parseWorkload(content, path);
}

/** One row, or all of them for `all`. @throws WorkloadError naming the rows there are */
export function chooseClusters(file: WorkloadFile, name: string): readonly Cluster[] {
  if (name === 'all') return file.clusters;
  const found = file.clusters.find((cluster) => cluster.name === name);
  if (found !== undefined) return [found];
  const names = file.clusters.map((cluster) => cluster.name).join(', ');
  throw new WorkloadError(`Cannot find cluster "${name}": the file has ${names}, or say all`);
}

export interface Share<T> {
  readonly item: T;
  /** Running total of the shares up to and including this one; the last is 1. */
  readonly upTo: number;
}

export interface Plan {
  readonly cluster: Cluster;
  readonly keys: number;
  readonly operations: readonly Share<Operation>[];
  readonly ttlsMs: readonly Share<number>[];
  /** What the row's TTLs were divided by. */
  readonly timeScale: number;
}

export interface PlanOptions {
  readonly seconds: number;
  readonly expectedRate: number;
  readonly timeScale?: number | undefined;
  /** The namespace's bound: nothing is asked for below it. */
  readonly minTtlMs: number;
}

/** TTLs of a 60 s run should fall between these, so that many lives begin and end within it. */
const SHORTEST_MS = 1_000;
const LONGEST_MS = 20_000;
const REFERENCE_SECONDS = 60;

// A key that is live costs the model about 300 bytes: two million of them stay below 1 GB.
const KEYS_MAX = 2_000_000;
const KEYS_MIN = 100;

/** Turns a row into what the traffic is drawn from. */
export function planOf(cluster: Cluster, options: PlanOptions): Plan {
  const window = Math.min(options.seconds / REFERENCE_SECONDS, 1);
  const given = options.timeScale;
  const longest = Math.max(...cluster.ttls.map((row) => row.ttlMs));
  const timeScale = given ?? Math.max(longest / (LONGEST_MS * window), 1);
  const floorMs = Math.max(options.minTtlMs, given === undefined ? SHORTEST_MS * window : 1);
  const requests = options.expectedRate * options.seconds;
  const wanted = Math.ceil(requests / cluster.meanFrequency);
  return {
    cluster,
    keys: Math.min(Math.max(wanted, KEYS_MIN), KEYS_MAX),
    timeScale,
    operations: running(
      OPERATIONS.map((item) => ({ item, share: cluster.operations[item] ?? 0 })),
    ),
    ttlsMs: running(
      cluster.ttls.map((row) => ({
        item: Math.ceil(Math.max(row.ttlMs / timeScale, floorMs)),
        share: row.share,
      })),
    ),
  };
}

/** Shares as running totals up to 1. Published shares name only the common cases: rescaled. */
function running<T>(rows: readonly { item: T; share: number }[]): Share<T>[] {
  const present = rows.filter((row) => row.share > 0);
  const total = present.reduce((sum, row) => sum + row.share, 0);
  let upTo = 0;
  return present.map((row, index) => {
    upTo = index === present.length - 1 ? 1 : upTo + row.share / total;
    return { item: row.item, upTo };
  });
}

/** The item whose slice of [0, 1) holds `draw`. */
export function pick<T>(shares: readonly Share<T>[], draw: number): T {
  for (const row of shares) if (draw < row.upTo) return row.item;
  const last = shares.at(-1);
  if (last === undefined) throw new RangeError('Cannot pick from no shares');
  return last.item;
}
