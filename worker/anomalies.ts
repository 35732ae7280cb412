import { Worker } from 'node:worker_threads';
import { findAnomaliesHere, type FindAnomalies, type TextInput } from '../domain/anomalies/settled.ts';
import type { Verdict } from '../domain/anomalies/incident.ts';

/** Fewer characters take some milliseconds. */
const IN_A_THREAD_FROM = 100_000;

/**
 * Looks for anomalies in the history of a large organization in a thread that is made for it, and ends with its answer:
 * elsewhere it would hold up everything else for a second. `program` is `anomalies-thread.js` of this room.
 */
export function anomaliesInThreads(program: URL): FindAnomalies {
  return (input) => (charactersOf(input) < IN_A_THREAD_FROM ? findAnomaliesHere(input) : inThread(program, input));
}

function charactersOf({ settled: { dimensions, days } }: TextInput): number {
  return days.reduce((sum, { groups }) => sum + groups.length, dimensions.length);
}

function inThread(program: URL, input: TextInput): Promise<readonly Verdict[]> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(program);
    thread.postMessage(input);
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', () => {
      // After an answer, this changes nothing.
      reject(new Error('the thread that looks for anomalies ended without an answer'));
    });
    // A process with nothing else to do may end. This comes last, since a listener for messages keeps it alive.
    thread.unref();
  });
}
