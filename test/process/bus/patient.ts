/** Asking as a patient client does: whoever is told to come back comes back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, askJson } from '../requests.ts';

/** Against never. */
const ATTEMPTS_MAX = 30;

/** The first answer that is no refusal for pressure. @throws Lost, or Error for any but 200 */
export async function read(url: string, path: string): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const answer = await askJson(url, 'GET', path);
    if (answer.status === 200) return answer;
    const seconds = Number(answer.headers['retry-after']);
    if (answer.status !== 503 || !(seconds > 0) || attempt === ATTEMPTS_MAX) {
      throw new Error(`${path} was answered ${answer.status}: ${answer.body}`);
    }
    await sleep(seconds * 1000);
  }
}
