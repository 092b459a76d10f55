/**
 * A page of the runbook, tried out: its commands are typed into a shell beside a sidecar that has
 * the reason the page is about, and must print what the page prints. Addresses and directories of
 * the page are those of the test's own servers.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { isAsPrinted, sessionOf } from '../../house/console-session.ts';
import { read, ROOT } from '../../house/repository.ts';
import { ask, jsonOf } from '../requests.ts';
import { until } from '../support.ts';

const run = promisify(execFile);

/** What the pages call things. */
const PRINTED = {
  url: 'http://127.0.0.1:7117',
  redis: 'redis://127.0.0.1:6379',
  monitor: 'http://127.0.0.1:8222',
  directory: '.leasehold',
} as const;

/** What they are in this test. */
export type Places = Readonly<Partial<Record<keyof typeof PRINTED, string>>>;

/** Waits until the sidecar gives this reason, and tries the page out. @throws Error that says what differs */
export async function tryPage(reason: string, places: Places & { readonly url: string }): Promise<void> {
  await untilSaid(reason, places.url);
  await trySession(reason, places);
  await tryStatusPaths(reason, places.url);
}

export function untilSaid(reason: string, url: string): Promise<unknown> {
  return until(`the sidecar says ${reason}`, async () => {
    const answer = await ask(url, 'GET', '/readyz').catch(() => undefined);
    return answer !== undefined && jsonOf(answer).reasons.includes(reason);
  });
}

/** The commands of a page alone, where the sidecar cannot be asked any more. */
export async function trySession(reason: string, places: Places): Promise<void> {
  const session = sessionOf(read(pageOf(reason)));
  if (session.length === 0) throw new Error(`The page about ${reason} has no command`);
  for (const { command, expected } of session) {
    const printed = await type(command, places);
    if (!isAsPrinted(printed, expected)) {
      throw new Error(`${reason}\n$ ${command}\nprinted:\n${printed}\nthe page says:\n${expected.join('\n')}`);
    }
  }
}

export function pageOf(reason: string): string {
  return `docs/runbook/${reason}.md`;
}

/** What a page names under `Status:` is there. */
async function tryStatusPaths(reason: string, url: string): Promise<void> {
  const status: unknown = jsonOf(await ask(url, 'GET', '/v1/status'));
  for (const path of told(read(pageOf(reason)), 'Status')) {
    const found = path.split('.').reduce<unknown>((part, name) => memberOf(part, name), status);
    if (found === undefined) throw new Error(`${reason}: the status page has no ${path}`);
  }
}

/** The first of a list is as good as any: `capacity`, `namespaces.capacity`. */
function memberOf(part: unknown, name: string): unknown {
  const object = (Array.isArray(part) ? part[0] : part) as Record<string, unknown> | null | undefined;
  return object?.[name];
}

/** What a page names in its line that begins with `- Status:`, `- Metrics:` or `- Log:`. */
export function told(page: string, kind: 'Status' | 'Metrics' | 'Log'): string[] {
  const lines = page.split('\n').filter((line) => line.startsWith(`- ${kind}: `));
  return lines.flatMap((line) => {
    const [names = ''] = line.slice(`- ${kind}: `.length).split(/(?<=`)(?: \(|[:;.]|$)/);
    return [...names.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
  });
}

async function type(command: string, places: Places): Promise<string> {
  let here = command;
  for (const [kind, printed] of Object.entries(PRINTED)) {
    const place = places[kind as keyof Places];
    if (place !== undefined) here = here.replaceAll(printed, place);
  }
  const prelude = `leasehold() { ${process.execPath} src/main.ts "$@"; }; export LEASEHOLD_URL=${places.url}\n`;
  const environment = Object.entries(process.env).filter(([name]) => !/^(?:LEASEHOLD|OTEL|NODE)_/.test(name));
  const done = await run('bash', ['-c', prelude + here], {
    cwd: ROOT, env: { ...Object.fromEntries(environment) },
  }).catch((error: { stdout: string; stderr: string }) => error);
  let printed = done.stdout + done.stderr;
  for (const [kind, place] of Object.entries(places)) {
    const shown = PRINTED[kind as keyof Places];
    printed = printed.replaceAll(place, shown);
    // Tools name a server without the scheme.
    if (URL.canParse(place)) printed = printed.replaceAll(new URL(place).host, new URL(shown).host);
  }
  return printed;
}
