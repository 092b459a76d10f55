/** The configuration of admission: levels, quotas, stretched TTLs. */
import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { printConfig } from '../../src/config/print.ts';
import { load, told } from './loading.ts';

const namespace = (config: Config, wanted = 'a') =>
  config.namespaces.find(({ name }) => name === wanted);
const quota = (options: string) => `namespaces: { a: { quota: { ${options} } } }`;

describe('admission', () => {
  test('has defaults', () => {
    expect(load().admission).toEqual({
      elevatedFill: 0.5, highFill: 0.75, criticalFill: 0.9, hysteresis: 0.1,
      memoryHighFill: 0.85, memoryCriticalFill: 0.92,
      queueMs: 20, settleMs: 1_000, holdMs: 1000, heldRefusals: 12_000,
    });
  });

  test('takes every option', () => {
    const admission = {
      elevatedFill: 0.2, highFill: 0.3, criticalFill: 1, hysteresis: 0,
      memoryHighFill: 0.01, memoryCriticalFill: 0.02,
      queueMs: 1, settleMs: 0, holdMs: 0, heldRefusals: 0,
    };
    expect(load(JSON.stringify({ admission })).admission).toEqual(admission);
  });

  test.each([
    ['elevatedFill: 0', /^admission\.elevatedFill: must be a number from 0\.01 to 1, got 0/],
    ['criticalFill: 1.1', /^admission\.criticalFill: must be a number from 0\.01 to 1, got 1\.1/],
    ['hysteresis: -0.1', /^admission\.hysteresis: must be a number from 0 to 0\.5/],
    ['queueMs: 0', /^admission\.queueMs: must be an integer from 1 to 10000/],
    ['settleMs: 60001', /^admission\.settleMs: must be an integer from 0 to 60000/],
    ['holdMs: 10001', /^admission\.holdMs: must be an integer from 0 to 10000/],
    ['heldRefusals: 100001', /^admission\.heldRefusals: must be an integer from 0 to 100000/],
    ['hystersis: 0', /^admission\.hystersis: is not an option; did you mean hysteresis/],
  ])('%s is refused', (option, complaint) => {
    expect(told(`admission: { ${option} }`)).toEqual([expect.stringMatching(complaint)]);
  });

  test.each([
    ['elevatedFill: 0.75', 'elevatedFill: must be less than admission.highFill, which is 0.75, got 0.75'],
    ['highFill: 0.95', 'highFill: must be less than admission.criticalFill, which is 0.9, got 0.95'],
    ['memoryHighFill: 1', 'memoryHighFill: must be less than admission.memoryCriticalFill, which is 0.92, got 1'],
    ['elevatedFill: 0.1', 'hysteresis: must be less than admission.elevatedFill, which is 0.1, got 0.1'],
    ['memoryHighFill: 0.05', 'hysteresis: must be less than admission.memoryHighFill, which is 0.05, got 0.1'],
  ])('%s contradicts another option', (option, complaint) => {
    expect(told(`admission: { ${option} }`)).toEqual([`admission.${complaint}`]);
  });

  test('says nothing of a contradiction with a value that is wrong in itself', () => {
    expect(told('admission: { elevatedFill: 0.8, highFill: 7 }')).toEqual([
      'admission.highFill: must be a number from 0.01 to 1, got 7',
    ]);
  });
});

describe('the quota of a namespace', () => {
  test('is not there unless a rate is given', () => {
    expect(namespace(load('namespaces: { a: {} }'))).not.toHaveProperty('quota');
    expect(namespace(load('namespaces: { a: { quota: } }'))).not.toHaveProperty('quota');
  });

  test('has a burst of one second of the larger rate, unless it says otherwise', () => {
    const of = (options: string) => namespace(load(quota(options)))?.quota;
    expect(of('grantsPerS: 5')).toEqual({ grantsPerS: 5, burst: 5 });
    expect(of('putsPerS: 7')).toEqual({ putsPerS: 7, burst: 7 });
    expect(of('grantsPerS: 5, putsPerS: 7')).toEqual({ grantsPerS: 5, putsPerS: 7, burst: 7 });
    expect(of('grantsPerS: 5, burst: 1')).toEqual({ grantsPerS: 5, burst: 1 });
  });

  test.each([
    ['grantsPerS: 0', /\.quota\.grantsPerS: must be an integer from 1 to 1000000, got 0/],
    ['putsPerS: 0.5', /\.quota\.putsPerS: must be an integer from 1/],
    ['putsPerS: 1, burst: 0', /\.quota\.burst: must be an integer from 1 to 10000000/],
    ['burst: 5', /\.quota\.burst: is of no use without grantsPerS or putsPerS$/],
    ['putPerS: 5', /\.quota\.putPerS: is not an option; did you mean putsPerS/],
  ])('%s is refused', (options, complaint) => {
    expect(told(quota(options))).toEqual([expect.stringMatching(complaint)]);
  });

  test('with a rate that is wrong in itself, its burst has a purpose', () => {
    expect(told(quota('grantsPerS: 0, burst: 5'))).toHaveLength(1);
  });
});

describe('the quota of a caller', () => {
  test('is not there unless a rate is given', () => {
    expect(load()).not.toHaveProperty('callerQuota');
    expect(load('callerQuota: { callers: 7 }')).not.toHaveProperty('callerQuota');
  });

  test('has a burst of one second, unless it says otherwise', () => {
    expect(load('callerQuota: { requestsPerS: 9 }').callerQuota).toEqual({
      requestsPerS: 9, burst: 9, callers: 4_096,
    });
    expect(load('callerQuota: { requestsPerS: 9, burst: 90, callers: 1 }').callerQuota).toEqual({
      requestsPerS: 9, burst: 90, callers: 1,
    });
  });

  test.each([
    ['requestsPerS: 0', /^callerQuota\.requestsPerS: must be an integer from 1/],
    ['requestsPerS: 1, callers: 0', /^callerQuota\.callers: must be an integer from 1 to 1000000/],
    ['burst: 5', /^callerQuota\.burst: is of no use without requestsPerS$/],
  ])('%s is refused', (options, complaint) => {
    expect(told(`callerQuota: { ${options} }`)).toEqual([expect.stringMatching(complaint)]);
  });
});

describe('stretching under pressure', () => {
  const ttl = (factor: string) => `namespaces: { a: { ttl: { stretchUnderPressure: ${factor} } } }`;

  test('is off unless a factor is given', () => {
    expect(namespace(load(), 'default')?.ttl.stretchUnderPressure).toBe(1);
    expect(namespace(load(ttl('2.5')))?.ttl.stretchUnderPressure).toBe(2.5);
  });

  test.each(['0.5', '11', 'often'])('by %s is refused', (factor) => {
    expect(told(ttl(factor))).toEqual([
      expect.stringMatching(/^namespaces\.a\.ttl\.stretchUnderPressure: must be a number from 1 to 10/),
    ]);
  });
});

test('printed, all of it loads to the same', () => {
  const config = load(`
    namespaces: { a: { quota: { grantsPerS: 5 }, ttl: { stretchUnderPressure: 2 } }, b: {} }
    admission: { queueMs: 30 }
    callerQuota: { requestsPerS: 9 }
  `);
  for (const options of [{}, { json: true }, { explain: true }]) {
    expect(load(printConfig(config, options))).toEqual(config);
    expect(load(printConfig(load('drainMs: 1'), options))).toEqual(load('drainMs: 1'));
  }
});
