import { formatTime } from '../days.ts';
import type { Answer } from '../admin-api/endpoints.ts';
import type { Fault, FaultKind } from './faults.ts';
import type { Bucket, ReportPage } from '../admin-api/reports.ts';
import { errorBody, errorTypeOf } from '../admin-api/api-error.ts';

/** How the body of a reply goes over the wire. */
export type Delivery =
  'whole' | 'cut_short' | 'reset' | 'stall_headers' | 'stall_body' | 'drip' | 'gzip_bomb' | 'padded';

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly delivery: Delivery;
}

const JSON_HEADERS = { 'content-type': 'application/json' };
const GATEWAY_PAGE =
  '<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>\n';

/** The reply to a request that was answered. */
export function successReply(answer: Answer): Reply {
  const body = answer.kind === 'page' ? pageText(answer.page) : answer.text;
  return { status: 200, headers: JSON_HEADERS, body, delivery: 'whole' };
}

/** The error envelope for a status. */
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

const PAGE_SPOILERS: Partial<Record<FaultKind, (page: ReportPage, fault: Fault) => ReportPage>> = {
  cyclic_page: (page) => ({ ...page, hasMore: true, nextPage: page.ownToken }),
  null_page: (page) => ({ ...page, hasMore: true, nextPage: null }),
  duplicate_lines: (page) => ({
    ...page,
    buckets: page.buckets.map((bucket) => ({ ...bucket, rows: [...bucket.rows, ...bucket.rows.slice(0, 1)] })),
  }),
  lost_line: (page, { days }) => spoilFirstRow(page, days, (rows) => rows.slice(1)),
  missing_bucket: (page) => ({ ...page, buckets: page.buckets.slice(1) }),
  bad_amount: (page, { amount, days }) =>
    spoilFirstRow(page, days, ([first = '', ...others]) => [
      first.replace(/"amount":"[^"]*"/, () => `"amount":${JSON.stringify(amount)}`),
      ...others,
    ]),
  odd_fields: (page, { fields, days }) =>
    spoilFirstRow(page, days, ([first = '', ...others]) => [`${first.slice(0, -1)},${fields}}`, ...others]),
};

/** What a page becomes under a fault that concerns what is in it. */
export function spoilPage(page: ReportPage, fault: Fault): ReportPage {
  return PAGE_SPOILERS[fault.kind]?.(page, fault) ?? page;
}

/** What a finished reply becomes under a fault that concerns its status, its body's form or its way over the wire. */
export function spoilReply(reply: Reply, fault: Fault, requestId: string): Reply {
  const message = fault.message ?? 'Something went wrong';
  switch (fault.kind) {
    case 'status':
      return errorReply(fault.status ?? 500, message, requestId, retryHeaders(fault));
    case 'rate_limited':
      return errorReply(
        429,
        fault.message ?? 'This request would exceed your rate limit',
        requestId,
        retryHeaders(fault),
      );
    case 'unauthorized':
      return errorReply(401, 'invalid x-api-key', requestId);
    case 'forbidden':
      return errorReply(403, 'This key lacks permission for this resource', requestId);
    case 'no_request_id':
      return errorReply(fault.status ?? 500, message, null);
    case 'unknown_error_type': {
      const body = errorBody('quota_epoch_error', message, requestId);
      return { status: fault.status ?? 500, headers: JSON_HEADERS, body, delivery: 'whole' };
    }
    case 'redirect':
      return { status: 302, headers: { location: fault.location }, body: '', delivery: 'whole' };
    case 'html_error':
      return {
        status: fault.status ?? 502,
        headers: { 'content-type': 'text/html' },
        body: GATEWAY_PAGE,
        delivery: 'whole',
      };
    case 'html_ok':
      return { status: 200, headers: { 'content-type': 'text/html' }, body: GATEWAY_PAGE, delivery: 'whole' };
    case 'truncated_json':
      return { ...reply, body: reply.body.slice(0, Math.floor(reply.body.length / 2)) };
    case 'wrong_shape':
      return { ...reply, body: '{"data":null}' };
    case 'huge_page':
      return { ...reply, delivery: 'padded' };
    case 'gzip_bomb':
      return { ...reply, headers: { ...reply.headers, 'content-encoding': 'gzip' }, delivery: 'gzip_bomb' };
    case 'cut_short':
    case 'reset':
    case 'stall_headers':
    case 'stall_body':
    case 'drip':
      return { ...reply, delivery: fault.kind };
    case 'elsewhere':
      return { ...(fault.reply ?? { status: 502, headers: {}, body: '' }), delivery: 'whole' };
    case 'cyclic_page':
    case 'null_page':
    case 'duplicate_lines':
    case 'lost_line':
    case 'missing_bucket':
    case 'bad_amount':
    case 'odd_fields':
    case 'moving_day':
    case 'hold':
      return reply;
  }
}

function retryHeaders(fault: Fault): Record<string, string> {
  const headers: Record<string, string> = {};
  if (fault.retryAfter !== undefined) {
    const seconds = /^date:(\d+)$/.exec(fault.retryAfter)?.[1];
    headers['retry-after'] =
      seconds === undefined ? fault.retryAfter : new Date(Date.now() + Number(seconds) * 1_000).toUTCString();
  }
  if (fault.rateLimitReset !== undefined) headers['anthropic-ratelimit-requests-reset'] = fault.rateLimitReset;
  return headers;
}

function spoilFirstRow(
  page: ReportPage,
  days: readonly string[] | undefined,
  spoil: (rows: readonly string[]) => readonly string[],
): ReportPage {
  const index = page.buckets.findIndex(
    ({ startMs, rows }) => rows.length > 0 && (days === undefined || days.includes(formatTime(startMs).slice(0, 10))),
  );
  return {
    ...page,
    buckets: page.buckets.map((item, at) => (at === index ? { ...item, rows: spoil(item.rows) } : item)),
  };
}

function pageText({ buckets, hasMore, nextPage }: ReportPage): string {
  return `{"data":[${buckets.map(bucketText).join(',')}],"has_more":${String(hasMore)},"next_page":${JSON.stringify(nextPage)}}`;
}

function bucketText({ startMs, endMs, rows }: Bucket): string {
  return `{"starting_at":"${formatTime(startMs)}","ending_at":"${formatTime(endMs)}","results":[${rows.join(',')}]}`;
}
