/** One schedule that the campaign found, on its own. */
import { afterAll, afterEach, expect, test } from 'vitest';
import { stopServers } from '../../servers/child.ts';
import { startRedis } from '../../servers/redis.ts';
import { ask, askJson, jsonOf } from '../requests.ts';
import { cleanUp, until } from '../support.ts';
import { CONFIGURATION } from './campaign.ts';
import { Fleet } from './fleet.ts';

const PATIENCE_MS = 60_000;
const ENTRY = '/v1/entries/latest/x';

afterEach(cleanUp);
afterAll(stopServers);

test(
  'what was written over without the ledger does not come back when the newer value expires unseen',
  async () => {
    const fleet = await Fleet.start(2, await startRedis(), CONFIGURATION);
    const [here, there] = [await fleet.urlOf(0), await fleet.urlOf(1)];
    const valueAt = async (url: string): Promise<string | number> => {
      const { status, body } = await ask(url, 'GET', ENTRY);
      return status === 200 ? body.toString() : status;
    };
    await ask(there, 'PUT', ENTRY, { body: 'long' });
    await until('the copy is here', async () => (await valueAt(here)) === 'long');

    fleet.link(0).cut();
    const written = await ask(here, 'PUT', `${ENTRY}?ttlMs=300`, { body: 'brief' });
    expect(written.status).toBe(204);
    expect([await valueAt(here), await valueAt(there)]).toEqual(['brief', 'long']);
    await until('it is over here', async () => (await valueAt(here)) === 404);
    fleet.link(0).heal();

    await until('it is over there, too', async () => (await valueAt(there)) === 404);
    await until('everything is told', async () => {
      const { ledger } = jsonOf(await askJson(here, 'GET', '/v1/status'));
      return ledger.state === 'connected' && ledger.unpushed === 0;
    });
    expect([await valueAt(here), await valueAt(there)]).toEqual([404, 404]);
    await fleet.close();
    expect(fleet.wrong).toEqual([]);
  },
  PATIENCE_MS,
);
