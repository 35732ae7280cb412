import { defineSignal, setDefaultSignalHandler, setHandler } from '@temporalio/workflow';
import {
  describeMessage,
  isSignalName,
  parseSignal,
  unknownSignal,
  type Message,
} from '../domain/connection/messages.ts';
import { signalDescriptions, syncEnded, wake, type ConnectionInput } from './messages.ts';

/** What a connection was told and has not acted on yet. */
export interface Inbox {
  /** What came since Postgres was read last: it leaves an event as that is read again. */
  received: Message[];
  /** What came then, too, and was answered together with another message that asked for the same. */
  answered: Message[];
  /** What waits to be acted on, in its order. */
  waiting: Message[];
  /** How often it was told to look at Postgres again. */
  nudges: number;
}

/** The inbox that a run begins with. */
export function openInbox({ inbox = [], received = [], answered = [] }: ConnectionInput): Inbox {
  return { received: [...received], answered: [...answered], waiting: [...inbox], nudges: 0 };
}

/**
 * Sets all handlers, which must be done before anything is awaited: a signal without a handler is lost at
 * continue-as-new. `isKnown` says whether the end of a sync, by its number, is known in another way.
 */
export function takeSignals(inbox: Inbox, isKnown: (n: unknown) => boolean): void {
  takeStraySignals(inbox);
  for (const [name, description] of Object.entries(signalDescriptions)) {
    const handler = (carried: unknown): void => {
      if (name !== syncEnded.name || !isKnown(numberIn(carried))) takeSignal(inbox, name, carried);
    };
    setHandler(defineSignal<[unknown?]>(name), handler, { description });
  }
}

function takeSignal(inbox: Inbox, name: string, carried?: unknown): void {
  if (isSignalName(name)) inbox.received.push(parseSignal(name, carried));
  else if (name === syncEnded.name || name === wake.name) inbox.nudges += 1;
  else inbox.received.push(unknownSignal(name));
}

function numberIn(carried: unknown): unknown {
  return typeof carried === 'object' && carried !== null && 'n' in carried ? carried.n : undefined;
}

/**
 * Takes the signals that no handler took, in their order: those by an unknown name, and all that came before this run
 * began, since a handler of one name takes those of that name alone, and a resume that was followed by a pause would
 * come after it. The handler of all names does not stay: while it is set, a signal by a name that the SDK keeps to itself
 * fails the workflow task over and over.
 */
export function takeStraySignals(inbox: Inbox): void {
  for (;;) {
    try {
      setDefaultSignalHandler((name, carried) => {
        takeSignal(inbox, name, carried);
      });
      break;
    } catch {
      // Such a name was among them, and is gone from them now.
      takeSignal(inbox, '');
    }
  }
  setDefaultSignalHandler(undefined);
}

/** Moves what came to what waits, and returns in words what of it was understood: the rest leaves an event of its own. */
export function acceptReceived(inbox: Inbox): string[] {
  const [answered, received] = [inbox.answered.splice(0), inbox.received.splice(0)];
  inbox.waiting.push(...received);
  return [...answered, ...received].flatMap((message) =>
    message.type === 'malformed' ? [] : [describeMessage(message)],
  );
}

/** Forgets what needs no more done. What of it came just now leaves its event all the same. */
export function forget(inbox: Inbox, isOver: (message: Message) => boolean): void {
  inbox.waiting = inbox.waiting.filter((message) => !isOver(message));
  inbox.answered.push(...inbox.received.filter(isOver));
  inbox.received = inbox.received.filter((message) => !isOver(message));
}
