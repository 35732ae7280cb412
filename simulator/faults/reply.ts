import { errorBody, errorTypeOf } from '../admin-api/api-error.ts';
import type { Answer } from '../admin-api/endpoints.ts';
import type { Bucket, ReportPage } from '../admin-api/reports.ts';
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

export function successReply(answer: Answer): Reply {
  const body = answer.kind === 'page' ? pageText(answer.page) : answer.text;
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

function pageText({ buckets, hasMore, nextPage }: ReportPage): string {
  return `{"data":[${buckets.map(bucketText).join(',')}],"has_more":${String(hasMore)},"next_page":${JSON.stringify(nextPage)}}`;
}

function bucketText({ startMs, endMs, rows }: Bucket): string {
  return `{"starting_at":"${formatTime(startMs)}","ending_at":"${formatTime(endMs)}","results":[${rows.join(',')}]}`;
}
