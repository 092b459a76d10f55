/** The page about tracing and the names in the code, both ways; and the example beside it. */
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { VARIABLES } from '../../src/config/environment.ts';
import { ATTRIBUTES, SPANS } from '../../src/tracing/names.ts';
import { filesUnder, quoted, read, section, tableRows } from './repository.ts';

const page = read('docs/tracing.md');
const recorded = section(page, '## What is recorded');
const [spans, attributes] = ['| span |', '| attribute |'].map((head) => {
  const rows = recorded.slice(recorded.indexOf(head)).split('\n\n')[0]!;
  return tableRows(rows).flatMap(([first = '']) => quoted(first));
});

describe('docs/tracing.md', () => {
  test('lists every span that has a name of its own, and no other', () => {
    expect([...spans!].sort()).toEqual([...Object.values(SPANS)].sort());
  });

  test('lists every attribute, and no other', () => {
    expect([...attributes!].sort()).toEqual([...Object.values(ATTRIBUTES)].sort());
  });
});

test('every name is used', () => {
  const sources = filesUnder('src', '.ts').filter((file) => file !== 'src/tracing/names.ts').map(read).join('\n');
  const unused = [
    ...Object.keys(SPANS).map((name) => `SPANS.${name}`),
    ...Object.keys(ATTRIBUTES).map((name) => `ATTRIBUTES.${name}`),
  ].filter((name) => !new RegExp(`\\b${name.replace('.', '\\.')}\\b`).test(sources));
  expect(unused).toEqual([]);
});

describe('examples/tracing', () => {
  const { services } = parse(read('examples/tracing/compose.yaml'), { merge: true });

  test.each(['one', 'two'])('starts sidecar %s with variables that there are', (name) => {
    const { environment } = services[name];
    const known = VARIABLES.map((variable) => variable.name);
    const own = Object.keys(environment).filter((variable) => variable.startsWith('LEASEHOLD_'));
    expect(own.length).toBeGreaterThan(3);
    expect(own.filter((variable) => !known.includes(variable))).toEqual([]);
    expect(environment.LEASEHOLD_NAME).toBe(name);
    const host = new URL(environment.OTEL_EXPORTER_OTLP_ENDPOINT).hostname;
    expect(Object.keys(services)).toContain(host);
  });

  test('pins every image but the one that is built here', () => {
    const images = Object.values<{ image: string }>(services).map(({ image }) => image);
    expect(images.filter((image) => image !== 'leasehold' && !/:[\w.-]*\d[\w.-]*$/.test(image))).toEqual([]);
  });
});
