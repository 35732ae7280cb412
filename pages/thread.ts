/** The program of the thread that reads pages; see page-reader.ts. */
import { parentPort } from 'node:worker_threads';
import type { DayContent } from '../domain/day-content.ts';
import { PageError } from './failure.ts';
import type { Answer, Request } from './page-reader.ts';
import { beginReading, type PageReading, type ReadPage } from './reading.ts';

const readings = new Map<number, PageReading>();
const port = parentPort;
if (port === null) throw new Error('this program runs in a thread only');

port.on('message', (request: Request) => {
  if (request.kind === 'end') {
    port.close();
    return;
  }
  if (request.kind === 'close') {
    readings.delete(request.reading);
    return;
  }
  const answer = answerTo(request);
  const transfer = [request.body.buffer];
  if (answer.kind === 'page') transfer.push(...buffersOf(answer.page));
  port.postMessage(answer, transfer);
});

function answerTo({ reading, report, body, asked }: Extract<Request, { kind: 'read' }>): Answer {
  const known = readings.get(reading) ?? beginReading(report);
  readings.set(reading, known);
  try {
    return { kind: 'page', page: known.read(body, asked), spare: body };
  } catch (error) {
    if (error instanceof PageError) return { kind: 'refused', message: error.message, spare: body };
    return { kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : 'a value was thrown' };
  }
}

/** What is passed on without a copy. */
function buffersOf({ days, series }: ReadPage): ArrayBuffer[] {
  const { columns, extra } = series;
  const ofSeries = [...Object.values(columns), extra];
  const arrays = [...ofSeries, ...days.flatMap(({ content }) => arraysOf(content))];
  return arrays.flatMap((array) => (ArrayBuffer.isView(array) ? [array.buffer as ArrayBuffer] : []));
}

function arraysOf(content: DayContent): ArrayLike<unknown>[] {
  return content.report === 'cost'
    ? [content.series, content.amounts, content.ends]
    : [content.series, ...Object.values(content.counts)];
}
