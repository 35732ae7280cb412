/** The program of the threads that forecast; see forecasting.ts. */
import { parentPort } from 'node:worker_threads';
import { aheadOf } from '../domain/spend/ahead.ts';
import type { Answer, Request } from './forecasting.ts';
import { replayed } from './replayed.ts';

const port = parentPort;
if (port === null) throw new Error('this program runs in a thread only');

port.on('message', (request: Request) => {
  port.postMessage(answerTo(request));
});

function answerTo(request: Request): Answer {
  const { no } = request;
  try {
    switch (request.kind) {
      case 'ahead':
        return { no, kind: 'ahead', found: aheadOf(request.asked) };
      case 'replay':
        return { no, kind: 'replay', found: replayed(request.asked) };
    }
  } catch (error) {
    return {
      no,
      kind: 'failed',
      message: error instanceof Error ? (error.stack ?? error.message) : 'a value was thrown',
    };
  }
}
