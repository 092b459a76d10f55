/** The `nats-server` of the tests. */
import { type Machine, requireServer, thisMachine } from './require-server.ts';

/**
 * The path of `nats-server`, installed first if need be.
 *
 * @throws Error with one line that says what to install
 */
export function requireNats(machine: Machine = thisMachine()): Promise<string> {
  return requireServer({ binary: 'nats-server', since: '2.9', formula: 'nats-server' }, machine);
}
