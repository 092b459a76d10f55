import { describe, expect, test } from 'vitest';
import { Contacts } from '../../src/reconcile/contacts.ts';
import type { Partition } from '../../src/reconcile/partition.ts';
import { contractOf } from '../core/fixtures.ts';

function contactsOf() {
  const told: number[] = [];
  const contacts = new Contacts((_namespace, sentAt) => told.push(sentAt));
  const contract = contractOf('default', { autonomyMs: 60_000 });
  const with_ = (...instants: (number | undefined)[]) =>
    instants.map((contact) => ({ contact }) as Partition);
  return { told, contacts, contract, with_ };
}

describe('contact of a namespace', () => {
  test('is the least over its partitions, once each has some', () => {
    const { told, contacts, contract, with_ } = contactsOf();
    contacts.consider(contract, with_(9000, undefined));
    expect(told).toEqual([]);
    contacts.consider(contract, with_(9000, 7000));
    expect(told).toEqual([7000]);
    expect(contacts.ageMs('default', 8500)).toBe(1500);
  });

  test('is any answer where nothing is owned', () => {
    const { told, contacts, contract } = contactsOf();
    contacts.consider(contract, [], undefined);
    contacts.consider(contract, [], 4000);
    expect(told).toEqual([4000]);
  });

  test('is not told again for less than it is worth, and never goes back', () => {
    const { told, contacts, contract, with_ } = contactsOf();
    for (const contact of [7000, 7500, 6000, 7999, 8000, 8100]) {
      contacts.consider(contract, with_(contact));
    }
    expect(told).toEqual([7000, 8000]);
  });

  test('begins anew with another actor', () => {
    const { contacts, contract, with_ } = contactsOf();
    contacts.consider(contract, with_(7000));
    contacts.forget();
    expect(contacts.ageMs('default', 9000)).toBeUndefined();
  });
});
