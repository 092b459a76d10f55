/**
 * `sbom.ts FOLDER LIBRARIES RUNTIME`: the bill of materials of the image, CycloneDX, on stdout. It is
 * npm's own, of what is installed in FOLDER, with the integrity that the lock file there vouches for,
 * and with what npm does not know: the runtime, and the Debian packages listed in LIBRARIES, one
 * `name version architecture` a line. The same input gives the same bytes: SOURCE_DATE_EPOCH is its
 * time, and its serial number is made from its content.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Component {
  readonly 'bom-ref': string;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly cpe?: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

interface Bill {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const OUTPUT_BYTES_MAX = 64 * 1024 ** 2;
const [folder = '.', librariesFile = '', runtimeVersion = ''] = process.argv.slice(2);

const bill = npmBill();
const added = [runtime(runtimeVersion), ...debianPackages(librariesFile)];
const components = [...bill.components.map(withIntegrity(integrities(join(folder, 'package-lock.json')))), ...added];
const root = bill.metadata.component['bom-ref'];
const refs = new Set([root, ...components.map((each) => each['bom-ref'])]);
const dependencies = bill.dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ ref, dependsOn }) => ({
    ref,
    dependsOn: [...dependsOn.filter((each) => refs.has(each)), ...(ref === root ? added.map((each) => each['bom-ref']) : [])],
  }));
const document = {
  ...bill,
  metadata: {
    ...bill.metadata,
    timestamp: new Date(Number(process.env['SOURCE_DATE_EPOCH'] ?? 0) * 1000).toISOString(),
    lifecycles: [{ phase: 'build' }],
    component: { ...bill.metadata.component, type: 'container', name: 'leasehold' },
  },
  components,
  dependencies,
};
const serialNumber = `urn:uuid:${uuidOf(JSON.stringify({ ...document, serialNumber: undefined }))}`;
process.stdout.write(`${JSON.stringify({ ...document, serialNumber }, null, 2)}\n`);

/**
 * npm's own bill of what is installed. It is asked where no development is meant: of a project that
 * has packages for that, it leaves out those that both need.
 */
function npmBill(): Bill {
  const scratch = mkdtempSync(join(tmpdir(), 'leasehold-bill-'));
  try {
    const { devDependencies: _dev, optionalDependencies: _runtime, ...manifest } = readJson(join(folder, 'package.json'));
    writeFileSync(join(scratch, 'package.json'), JSON.stringify(manifest));
    cpSync(join(folder, 'node_modules'), join(scratch, 'node_modules'), { recursive: true });
    const words = ['sbom', '--sbom-format=cyclonedx'];
    return JSON.parse(execFileSync('npm', words, { cwd: scratch, encoding: 'utf8', maxBuffer: OUTPUT_BYTES_MAX }));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** By `name@version`: the digest of the archive a package came in, in hexadecimal. */
function integrities(lockFile: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const packages: Readonly<Record<string, { version?: string; integrity?: string }>> = readJson(lockFile).packages;
  for (const [path, { version, integrity }] of Object.entries(packages)) {
    const digest = /^sha512-(.+)$/.exec(integrity ?? '')?.[1];
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (digest !== undefined) found.set(`${name}@${version}`, Buffer.from(digest, 'base64').toString('hex'));
  }
  return found;
}

function withIntegrity(known: ReadonlyMap<string, string>): (component: Component) => Component {
  return (component) => {
    const content = known.get(`${component.name}@${component.version}`);
    return content === undefined ? component : { ...component, hashes: [{ alg: 'SHA-512', content }] };
  };
}

// biome-ignore lint/suspicious/noExplicitAny: npm's files, of a shape that is npm's to say.
function readJson(file: string): any {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function runtime(version: string): Component {
  const plain = version.replace(/^v/, '');
  return {
    'bom-ref': `node@${plain}`,
    type: 'platform',
    name: 'node',
    version: plain,
    purl: `pkg:generic/node@${plain}`,
    cpe: `cpe:2.3:a:nodejs:node.js:${plain}:*:*:*:-:*:*:*`,
  };
}

function debianPackages(file: string): Component[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [name = '', version = '', architecture = ''] = line.split(' ');
    const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}&distro=debian-12`;
    return { 'bom-ref': purl, type: 'library', name, version, purl };
  });
}

/** A UUID (version 8: of one's own making) from the hash of a text. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}
