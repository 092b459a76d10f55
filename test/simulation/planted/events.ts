/** Mistakes on the way to the bus: what leaves the outbox, what is sent again, and under which name. */
import { fault, type PlantedFault } from './planted-fault.ts';

export const EVENT_FAULTS: readonly PlantedFault[] = [
  // A message or an acknowledgement that gets lost: events are not held to be sent again, endings
  // are, but not by the next run.
  fault({
    name: 'freed-on-publish',
    what: 'An event leaves the outbox when it is sent, not when the bus has acknowledged it.',
    edits: [
      {
        file: 'src/events/stream-publisher.ts',
        find: 'this.#parts.bus.publish(message, span === undefined ? done : span.sending(message, done));',
        replace: `this.#parts.bus.publish(message, span === undefined ? done : span.sending(message, done));
      outbox.acknowledge(window.next);`,
      },
    ],
    invariants: ['contiguous-sequence', 'every-ending-told', 'fact-precedes-reply', 'capacity'],
  }),
  // A bus that is away, refuses or loses a message.
  fault({
    name: 'failed-publish-skipped',
    what: 'After a failure the publisher goes on behind the events that failed.',
    edits: [
      {
        file: 'src/events/stream-publisher.ts',
        find: 'this.#window.restart(this.#window.from);',
        replace: 'this.#window.restart(this.#window.next);',
      },
    ],
    invariants: ['contiguous-sequence', 'every-ending-told', 'fact-precedes-reply'],
  }),
  // A stream that loses what it has acknowledged before readers had it.
  fault({
    name: 'lost-stream-not-republished',
    what: 'A stream that was replaced or went back is noticed, but nothing is published again.',
    edits: [
      {
        file: 'src/events/stream-publisher.ts',
        find: 'this.#lost = why;',
        replace: '',
      },
    ],
    kinds: ['stream-replaced', 'stream-deleted', 'bus-away'],
    invariants: ['every-ending-told', 'contiguous-sequence'],
  }),
  // A restart: what it tells has ids that the stream has had, and is dropped as a repeat.
  fault({
    name: 'event-id-without-its-run',
    what: 'The id of an event is made of the name of the sidecar, so that of one run comes again in the next.',
    edits: [
      {
        file: 'src/events/cloud-event.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the product's text
        find: 'id: `${source.actor}:',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the product's text
        replace: 'id: `${source.name}:',
      },
    ],
    invariants: ['contiguous-sequence', 'every-ending-told'],
  }),
  // A key that is written, ends, and is written again.
  fault({
    name: 'ending-id-of-the-key',
    what: 'The id of an ending is made of the key alone, so readers drop that of its next value as a repeat.',
    edits: [
      {
        file: 'src/events/cloud-event.ts',
        find: "endingId('entry', fact.namespace, fact.key, fact.born)",
        replace: "endingId('entry', fact.namespace, fact.key, { actor: '', seq: 0 })",
      },
    ],
    invariants: ['one-ending', 'every-ending-told'],
  }),
  // A message that gets lost while the connection stays: only a new connection would set it going.
  fault({
    name: 'backoff-without-end',
    what: 'After a failure a stream waits for its next attempt, and no timer makes one.',
    edits: [
      {
        file: 'src/events/stream-publisher.ts',
        find: 'this.#cancelBackoff = scheduler.after(waitMs, () => this.hurry());',
        replace: 'this.#cancelBackoff = () => waitMs;',
      },
    ],
    invariants: ['bounded-outbox', 'every-ending-told', 'capacity'],
  }),
];
