/** Who the telemetry is of: what the environment says, and the rest filled in. */
import { expect, test } from 'vitest';
import { resourceAttributes } from '../../src/telemetry/otel/resource.ts';

const IDENTITY = { actor: '00000000000000aa', name: 'web', version: '1.2.3' };

test('what the environment does not say is filled in', () => {
  expect(resourceAttributes({}, IDENTITY)).toMatchObject({
    attributes: {
      'service.name': 'leasehold', 'service.version': '1.2.3',
      'service.instance.id': '00000000000000aa', 'leasehold.name': 'web',
    },
    warnings: [],
  });
});

test('what the environment says stands, and OTEL_SERVICE_NAME above all', () => {
  const variables = { OTEL_RESOURCE_ATTRIBUTES: 'service.name=a, team=x%2Cy ,service.instance.id=mine' };
  expect(resourceAttributes(variables, IDENTITY).attributes).toMatchObject({
    'service.name': 'a', team: 'x,y', 'service.instance.id': 'mine',
  });
  expect(resourceAttributes({ ...variables, OTEL_SERVICE_NAME: 'b' }, IDENTITY).attributes)
    .toMatchObject({ 'service.name': 'b' });
});

test.each(['nothing', 'a=b,=c', 'a=%zz'])('%j is left out whole, and that is said', (text) => {
  const { attributes, warnings } = resourceAttributes({ OTEL_RESOURCE_ATTRIBUTES: text }, IDENTITY);
  expect(attributes).not.toHaveProperty('a');
  expect(warnings).toEqual(['OTEL_RESOURCE_ATTRIBUTES is not key=value,…: it is left out']);
});
