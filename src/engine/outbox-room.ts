/**
 * How many events a command may cause, and how many bytes of values they would carry: what it must
 * find room for on its way to the bus before it changes anything. Endings are not among them (their
 * room was reserved at the grant), nor are renewals (only the last one counts).
 */
import type { Command } from '../core/command.ts';
import type { State } from '../core/state.ts';
import { bitOf } from '../core/told.ts';

export interface EventDemand {
  readonly events: number;
  readonly bytes: number;
}

const NONE: EventDemand = { events: 0, bytes: 0 };
const GRANTED = bitOf('lease.granted') | bitOf('lease.adopted');
const TRANSFERRED = bitOf('lease.transferred');
const WRITTEN = bitOf('entry.created') | bitOf('entry.updated') | bitOf('entry.conflict');
/** An event's own weight, without its value: for the bound in bytes. */
const EVENT_BYTES = 256;

export function eventDemand(state: State, command: Command): EventDemand {
  switch (command.op) {
    case 'grant':
      return told(state, command.namespace, GRANTED) ? { events: 1, bytes: EVENT_BYTES } : NONE;
    case 'transfer':
      return anyTold(state, TRANSFERRED) ? { events: 1, bytes: EVENT_BYTES } : NONE;
    case 'put':
      return writing(state, command.namespace, command.value.length);
    case 'increment':
      return writing(state, command.namespace, 16);
    case 'batch': {
      let events = 0;
      let bytes = 0;
      for (const operation of command.operations) {
        if (operation.op !== 'put' && operation.op !== 'increment') continue;
        const each = eventDemand(state, operation);
        events += each.events;
        bytes += each.bytes;
      }
      return { events, bytes };
    }
    default:
      return NONE;
  }
}

function writing(state: State, namespace: string, valueBytes: number): EventDemand {
  if (!told(state, namespace, WRITTEN)) return NONE;
  const values = state.namespaces.obtain(namespace)?.contract.events.values !== 'none';
  return { events: 1, bytes: EVENT_BYTES + (values ? valueBytes : 0) };
}

function told(state: State, name: string, bits: number): boolean {
  return ((state.namespaces.obtain(name)?.told ?? 0) & bits) !== 0;
}

function anyTold(state: State, bits: number): boolean {
  return state.namespaces.all().some((namespace) => (namespace.told & bits) !== 0);
}
