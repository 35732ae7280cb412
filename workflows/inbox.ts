import { defineSignal, setHandler } from '@temporalio/workflow';
import {
  describeMessage,
  isSignalName,
  parseSignal,
  unknownSignal,
  type Message,
} from '../domain/connection/messages.ts';
import { signalDescriptions, syncEnded, wake, type ConnectionInput } from './messages.ts';
import { takeStraySignals } from './stray-signals.ts';

/** The messages that a connection has received and not acted on yet. */
export interface Inbox {
  /** Received since Postgres was read last. The next read adds an event for each. */
  received: Message[];
  /** Received since then too, and answered together with another message that asked for the same. */
  answered: Message[];
  /** Messages with an event, waiting to be acted on, in their order. */
  waiting: Message[];
  /** How many times something asked for another look at Postgres. */
  wakes: number;
}

/** The inbox that a run begins with. */
export function openInbox({ inbox = [], received = [], answered = [] }: ConnectionInput): Inbox {
  return { received: [...received], answered: [...answered], waiting: [...inbox], wakes: 0 };
}

/**
 * Sets the handlers of all signals. Call it before the first await: a signal without a handler is lost at
 * continue-as-new. `isKnown` says whether the workflow learns of the end of a sync, given by its number, without a
 * signal.
 */
export function setSignalHandlers(inbox: Inbox, isKnown: (n: unknown) => boolean): void {
  receiveStraySignals(inbox);
  for (const [name, description] of Object.entries(signalDescriptions)) {
    const handler = (input: unknown): void => {
      if (name !== syncEnded.name || !isKnown(syncNumberIn(input))) receiveSignal(inbox, name, input);
    };
    setHandler(defineSignal<[unknown?]>(name), handler, { description });
  }
}

/** Receives the signals that no handler took: unknown names, and all that came before this run set its handlers. */
export function receiveStraySignals(inbox: Inbox): void {
  takeStraySignals((name, input) => {
    receiveSignal(inbox, name, input);
  });
}

function receiveSignal(inbox: Inbox, name: string, input: unknown): void {
  if (isSignalName(name)) inbox.received.push(parseSignal(name, input));
  else if (name === syncEnded.name || name === wake.name) inbox.wakes += 1;
  else inbox.received.push(unknownSignal(name));
}

function syncNumberIn(input: unknown): unknown {
  return typeof input === 'object' && input !== null && 'n' in input ? input.n : undefined;
}

/**
 * Moves the received messages to those that wait. Returns them in words, for their events; a malformed one adds its own
 * event when it is answered.
 */
export function acceptReceived(inbox: Inbox): string[] {
  const [answered, received] = [inbox.answered.splice(0), inbox.received.splice(0)];
  inbox.waiting.push(...received);
  return [...answered, ...received].flatMap((message) =>
    message.type === 'malformed' ? [] : [describeMessage(message)],
  );
}

/** Removes messages that are done. One that was received since the last read of Postgres still gets its event. */
export function removeMessages(inbox: Inbox, isDone: (message: Message) => boolean): void {
  inbox.waiting = inbox.waiting.filter((message) => !isDone(message));
  inbox.answered.push(...inbox.received.filter(isDone));
  inbox.received = inbox.received.filter((message) => !isDone(message));
}
