/** The tables of docs/logging.md: the page is written by hand, its tables are the log's own. */
import { join } from 'node:path';
import { ENVELOPE, type FieldKind, LOG_FIELDS } from '../src/log/fields.ts';
import { LOG_LEVELS } from '../src/log/levels.ts';
import { code, markedPage, row } from './marked-page.ts';

export const LOGGING_PAGE = join(import.meta.dirname, '../docs/logging.md');

function fieldTable(fields: Readonly<Record<string, FieldKind>>): readonly string[] {
  return [
    '| field | holds | meaning |',
    '|---|---|---|',
    ...Object.entries(fields).map(([name, { type, meaning }]) => row(code(name), type, meaning)),
  ];
}

export function loggingPage(): string {
  return markedPage(LOGGING_PAGE, {
    levels: () => [
      '| level | what it means | told in a minute |',
      '|---|---|---|',
      ...Object.entries(LOG_LEVELS).map(([level, { meaning, repeatsPerMinute }]) =>
        row(code(level), meaning, String(repeatsPerMinute))),
    ],
    envelope: () => fieldTable(ENVELOPE),
    fields: () => fieldTable(LOG_FIELDS),
    telling: () => [
      Object.entries<FieldKind>(LOG_FIELDS)
        .filter(([, { tells }]) => tells === true)
        .map(([name]) => code(name))
        .join(', '),
    ],
  });
}
