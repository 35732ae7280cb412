/** The program of the threads that look for anomalies; see anomalies.ts. */
import { parentPort } from 'node:worker_threads';
import { findAnomalies, type TextInput } from '../domain/anomalies/settled.ts';

parentPort?.once('message', (input: TextInput) => {
  parentPort?.postMessage(findAnomalies(input));
});
