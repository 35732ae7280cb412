import { isDay, type Day } from '../days.ts';

/** A signal whose input was checked. It waits in the inbox until the main flow acts on it. */
export type Message =
  | { readonly type: 'rotateKey'; readonly keyId: string }
  /** With `probed`, Anthropic rejected the key once more for this message, and it waits for a key that works. */
  | { readonly type: 'syncNow'; readonly from?: Day; readonly to?: Day; readonly probed?: true }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'disconnect'; readonly purge: boolean }
  /** A signal with an input that does not parse. It changes nothing and leaves an event. */
  | { readonly type: 'malformed'; readonly signal: string; readonly problem: string };

/** The names of the signals that people and the API send. */
export type SignalName = Exclude<Message['type'], 'malformed'>;

const FIELDS: Readonly<Record<SignalName, readonly string[]>> = {
  rotateKey: ['keyId'],
  syncNow: ['from', 'to'],
  pause: [],
  resume: [],
  disconnect: ['purge'],
};

/** Whether a connection has a signal with this name. */
export function isSignalName(name: string): name is SignalName {
  return Object.hasOwn(FIELDS, name);
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Checks the input of a signal, whether the API, the command line or the Temporal UI sent it. Never throws: any
 * undocumented input becomes a `malformed` message. Its problem does not quote the input, since somebody may have
 * pasted a secret.
 */
export function parseSignal(signal: SignalName, input: unknown): Message {
  const fields = input ?? {};
  if (!isRecord(fields)) return malformed(signal, 'its input is not a JSON object');
  if (Object.keys(fields).some((name) => !FIELDS[signal].includes(name))) {
    return malformed(signal, `it takes ${FIELDS[signal].join(' and ') || 'no input'}, and nothing else`);
  }
  switch (signal) {
    case 'pause':
    case 'resume':
      return { type: signal };
    case 'rotateKey': {
      const keyId = fields['keyId'];
      if (typeof keyId !== 'string' || !UUID.test(keyId)) {
        return malformed(signal, 'its input must be {"keyId": "<the id of a candidate>"}');
      }
      return { type: signal, keyId: keyId.toLowerCase() };
    }
    case 'syncNow':
      return parseSyncNow(fields);
    case 'disconnect': {
      const purge = fields['purge'] ?? false;
      if (typeof purge !== 'boolean') return malformed(signal, '"purge" must be true or false');
      return { type: signal, purge };
    }
  }
}

/**
 * A signal with an unknown name. The name is quoted only if it looks like one, since somebody may have pasted a secret.
 */
export function unknownSignal(name: string): Message {
  const isName = /^(?!.*sk-)[A-Za-z][\w-]{0,39}$/.test(name);
  const known = Object.keys(FIELDS).join(', ');
  return malformed(isName ? name : 'a signal', `there is no such signal (there are ${known})`);
}

function parseSyncNow(fields: Record<string, unknown>): Message {
  const from = fields['from'] ?? undefined;
  const to = fields['to'] ?? undefined;
  if (from === undefined && to === undefined) return { type: 'syncNow' };
  if (typeof from !== 'string' || typeof to !== 'string' || !isDay(from) || !isDay(to)) {
    return malformed('syncNow', '"from" and "to" go together and are days in the form YYYY-MM-DD');
  }
  if (from > to) return malformed('syncNow', '"from" is after "to"');
  return { type: 'syncNow', from, to };
}

/** A message in words, for the event that it leaves. */
export function describeMessage(message: Exclude<Message, { type: 'malformed' }>): string {
  switch (message.type) {
    case 'pause':
    case 'resume':
      return message.type;
    case 'rotateKey':
      return `rotateKey to the key ${message.keyId}`;
    case 'syncNow':
      return message.from === undefined ? 'syncNow' : `syncNow for ${message.from} to ${message.to ?? message.from}`;
    case 'disconnect':
      return message.purge ? 'disconnect, and to delete what was read' : 'disconnect';
  }
}

function malformed(signal: string, problem: string): Message {
  return { type: 'malformed', signal, problem };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
