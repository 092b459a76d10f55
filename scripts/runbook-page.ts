/** The table of docs/runbook.md: every reason there is, with its page. */
import { join } from 'node:path';
import { READINESS_CODES, READINESS_REASONS } from '../src/readiness.ts';
import { markedPage, row } from './marked-page.ts';

const RUNBOOK_PAGE = join(import.meta.dirname, '../docs/runbook.md');

export function runbookPage(): string {
  return markedPage(RUNBOOK_PAGE, {
    reasons: () => [
      '| reason | `/readyz` | it means |',
      '|---|---|---|',
      ...READINESS_CODES.map((code) => {
        const { ready, state, meaning } = READINESS_REASONS[code];
        return row(`[${code}](runbook/${code}.md)`, `${ready ? '200' : '503'}, ${state}`, meaning);
      }),
    ],
  });
}
