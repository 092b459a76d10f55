/**
 * `npm run image -- [options]`: builds the container image, and with --check and --measure also
 * uses it and says what it costs. Exits with 1 when a check found something wrong.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkImage } from './image/check.ts';
import { Engine } from './image/engine.ts';
import { measureImage } from './image/measure.ts';

const USAGE = `Usage: npm run image -- [options]
  --engine COMMAND       docker or podman (docker)
  --tag NAME             of the image (leasehold:VERSION)
  --base IMAGE           what it is built on, best with a digest (as the Dockerfile says)
  --source URL           where its source is, for its label
  --ca FILE              certificates of the package registry, while it is built only
  --npmrc FILE           npm's configuration, with its tokens, while it is built only
  --sbom FILE            where its bill of materials goes (dist/sbom.cdx.json)
  --no-build             take the image as it is
  --check                run it as the chart does, and see that it holds
  --seconds N            how long each of those checks lasts (10)
  --measure              its size, time to ready and memory beside the bare runtime
  --engine-option WORD   to the engine, before each subcommand; may be given again
  --build-option WORD    to its build
  --run-option WORD      to its run`;

const root = join(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { values } = parseArgs({
  allowNegative: true,
  options: {
    engine: { type: 'string', default: 'docker' },
    tag: { type: 'string', default: `leasehold:${version}` },
    base: { type: 'string' },
    source: { type: 'string', default: '' },
    ca: { type: 'string' },
    npmrc: { type: 'string' },
    sbom: { type: 'string', default: join(root, 'dist/sbom.cdx.json') },
    build: { type: 'boolean', default: true },
    check: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '10' },
    measure: { type: 'boolean', default: false },
    'engine-option': { type: 'string', multiple: true, default: [] },
    'build-option': { type: 'string', multiple: true, default: [] },
    'run-option': { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
if (values.help || !(seconds > 0)) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(values.help ? 0 : 2);
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const { tag: image } = values;
const engine = new Engine({
  command: values.engine,
  options: values['engine-option'],
  buildOptions: values['build-option'],
  runOptions: values['run-option'],
});

if (values.build) await build();
if (values.measure) await measureImage(engine, image, say);
if (values.check) {
  const wrong = await checkImage({ engine, image, seconds, say });
  say(wrong === 0 ? 'the image holds' : `${wrong} complaints`);
  process.exitCode = wrong === 0 ? 0 : 1;
}

async function build(): Promise<void> {
  const git = (...words: string[]): string => execFileSync('git', words, { cwd: root, encoding: 'utf8' }).trim();
  // The same commit gives the same times.
  const epoch = process.env['SOURCE_DATE_EPOCH'] ?? git('log', '-1', '--format=%ct');
  await engine.build(root, {
    tag: image,
    arguments: {
      ...(values.base === undefined ? {} : { BASE: values.base }),
      VERSION: version,
      REVISION: git('rev-parse', 'HEAD'),
      CREATED: new Date(Number(epoch) * 1000).toISOString(),
      SOURCE: values.source,
      SOURCE_DATE_EPOCH: epoch,
    },
    secrets: { ca: values.ca, npmrc: values.npmrc },
  });
  const words = ['--entrypoint=node', image, '-p', 'require("fs").readFileSync("/app/sbom.json", "utf8")'];
  mkdirSync(dirname(values.sbom), { recursive: true });
  writeFileSync(values.sbom, await engine.ask('run', '--rm', ...values['run-option'], ...words));
  say(`built ${image}; its bill of materials is ${values.sbom}`);
}
