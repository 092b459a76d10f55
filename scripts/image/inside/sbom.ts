/**
 * `sbom.ts FOLDER LIBRARIES RUNTIME`: the bill of materials of the image, CycloneDX, on stdout. It is
 * npm's own, of the lock file in FOLDER, without what is not installed there, and with what npm
 * does not know: the runtime, and the Debian packages listed in LIBRARIES, one
 * `name version architecture` a line. The same input gives the same bytes: SOURCE_DATE_EPOCH is its
 * time, and its serial number is made from its content.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Component {
  readonly 'bom-ref': string;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly cpe?: string;
}

interface Bill {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const [folder = '.', librariesFile = '', runtimeVersion = ''] = process.argv.slice(2);

const bill = npmBill();
const installed = installedIn(join(folder, 'node_modules'));
const isInstalled = ({ name, version }: Component) => installed.has(`${name}@${version}`);
const added = [runtime(runtimeVersion), ...debianPackages(librariesFile)];
const components = [...bill.components.filter(isInstalled), ...added];
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

/** `name@version` of every package that is really there: the lock file names other platforms' too. */
function installedIn(modules: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const path of globSync('**/package.json', { cwd: modules })) {
    const { name, version } = JSON.parse(readFileSync(join(modules, path), 'utf8'));
    if (name !== undefined && version !== undefined) found.add(`${name}@${version}`);
  }
  return found;
}

/** npm's own bill of what the lock file says is needed to run. */
function npmBill(): Bill {
  const words = ['sbom', '--package-lock-only', '--omit=dev', '--sbom-format=cyclonedx'];
  const text = execFileSync('npm', words, { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 });
  return JSON.parse(text) as Bill;
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
