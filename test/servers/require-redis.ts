/** The `redis-server` of the tests. */
import { type Machine, requireServer, thisMachine } from './require-server.ts';


/**
 * The path of `redis-server`, installed first if need be.
 *
 * @throws Error with one line that says what to install
 */
export function requireRedis(machine: Machine = thisMachine()): Promise<string> {
  return requireServer({ binary: 'redis-server', since: '7.0', formula: 'redis' }, machine);
}
