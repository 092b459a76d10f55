/** What the SDK throws ends at the border; what is ours passes it. */
import { expect, test } from 'vitest';
import { Border } from '../../src/telemetry/otel/border.ts';

const fail = () => {
  throw new Error('planted');
};

test('what the SDK throws is told, and something else is had instead', () => {
  const told: unknown[] = [];
  const border = new Border((error) => told.push(error));
  expect(border.attempt(() => 1, 2)).toBe(1);
  expect(border.attempt(fail, 2)).toBe(2);
  expect(told).toEqual([new Error('planted')]);
});

test('whoever is told may throw there too, and is not told of that', () => {
  let told = 0;
  const border: Border = new Border(() => {
    told += 1;
    border.attempt(fail, undefined);
  });
  border.attempt(fail, undefined);
  border.attempt(fail, undefined);
  expect(told).toBe(2);
});

test('our own work is done once, whether it is let begin or not, and throws what it throws', () => {
  const told: unknown[] = [];
  const border = new Border((error) => told.push(error));
  let times = 0;
  const work = () => {
    times += 1;
    return times;
  };
  expect(border.around((ours) => ours(), work)).toBe(1);
  expect(border.around(fail, work)).toBe(2);
  const after = (ours: () => number): number => {
    ours();
    return fail();
  };
  expect(border.around(after, work)).toBe(3);
  expect(told).toHaveLength(2);
  const ownFault = () => {
    throw new Error('ours');
  };
  expect(() => border.around((ours) => ours(), ownFault)).toThrow('ours');
  expect(told).toHaveLength(2);
});
