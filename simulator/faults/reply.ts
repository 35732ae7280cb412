import { errorBody, errorTypeOf } from '../admin-api/api-error.ts';
import type { Answer } from '../admin-api/endpoints.ts';
import type { Bucket, ReportPage } from '../admin-api/reports.ts';
import { ROW_DEPTH, separatorsOf, type Spelling } from '../admin-api/spelling.ts';
import { formatTime } from '../days.ts';
import type { DeliveryFault } from './faults.ts';

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** How the body goes over the wire, see wire.ts. */
  readonly delivery: 'whole' | DeliveryFault;
}

export const JSON_HEADERS = { 'content-type': 'application/json' };

export function successReply(answer: Answer, spelling: Spelling): Reply {
  const body = answer.kind === 'page' ? pageText(answer.page, spelling) : answer.text;
  return { status: 200, headers: JSON_HEADERS, body, delivery: 'whole' };
}

/** An error in Anthropic's envelope. */
export function errorReply(
  status: number,
  message: string,
  requestId: string | null,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return {
    status,
    headers: { ...JSON_HEADERS, ...headers },
    body: errorBody(errorTypeOf(status), message, requestId),
    delivery: 'whole',
  };
}

function pageText({ buckets, hasMore, nextPage }: ReportPage, spelling: Spelling): string {
  const data = listText(
    buckets.map((bucket) => bucketText(bucket, spelling)),
    spelling,
    2,
  );
  return objectText({ data, has_more: String(hasMore), next_page: JSON.stringify(nextPage) }, spelling, 0);
}

function bucketText({ startMs, endMs, rows }: Bucket, spelling: Spelling): string {
  const [startingAt, endingAt] = [`"${formatTime(startMs)}"`, `"${formatTime(endMs)}"`];
  const results = listText(rows, spelling, ROW_DEPTH);
  return objectText({ starting_at: startingAt, ending_at: endingAt, results }, spelling, 2);
}

/** A JSON list whose items are `depth` levels in. */
function listText(items: readonly string[], spelling: Spelling, depth: number): string {
  if (items.length === 0) return '[]';
  const { comma, line } = separatorsOf(spelling);
  return `[${line(depth)}${items.join(`${comma}${line(depth)}`)}${line(depth - 1)}]`;
}

/** A JSON object that is itself `depth` levels in. */
function objectText(fields: Readonly<Record<string, string>>, spelling: Spelling, depth: number): string {
  const { comma, colon, line } = separatorsOf(spelling);
  const texts = Object.entries(fields).map(([name, text]) => `"${name}"${colon}${text}`);
  return `{${line(depth + 1)}${texts.join(`${comma}${line(depth + 1)}`)}${line(depth)}}`;
}
