import { errorBody } from '../admin-api/api-error.ts';
import type { ReportPage } from '../admin-api/reports.ts';
import { formatTime } from '../days.ts';
import type { DeliveryFault, Fault, FaultKind } from './faults.ts';
import { JSON_HEADERS, errorReply, type Reply } from './reply.ts';

type PageEffect = (page: ReportPage, fault: Fault) => ReportPage;
type ReplyEffect = (reply: Reply, fault: Fault, requestId: string) => Reply;

const HTML_HEADERS = { 'content-type': 'text/html' };
const GATEWAY_PAGE =
  '<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>\n';

/** Changes the content of a report page. Most faults leave it as it is. */
export function applyToPage(fault: Fault, page: ReportPage): ReportPage {
  return PAGE_EFFECTS[fault.kind]?.(page, fault) ?? page;
}

/** Changes the status, the headers or the body of a finished reply, or how the server delivers it. */
export function applyToReply(fault: Fault, reply: Reply, requestId: string): Reply {
  return REPLY_EFFECTS[fault.kind](reply, fault, requestId);
}

const PAGE_EFFECTS: Partial<Record<FaultKind, PageEffect>> = {
  cyclic_page: (page) => ({ ...page, hasMore: true, nextPage: page.ownToken }),
  null_page: (page) => ({ ...page, hasMore: true, nextPage: null }),
  duplicate_lines: (page) => ({
    ...page,
    buckets: page.buckets.map((bucket) => ({ ...bucket, rows: [...bucket.rows, ...bucket.rows.slice(0, 1)] })),
  }),
  lost_line: (page, { days }) => changeFirstBucket(page, days, (rows) => rows.slice(1)),
  missing_bucket: (page) => ({ ...page, buckets: page.buckets.slice(1) }),
  bad_amount: (page, { amount, days }) =>
    changeFirstBucket(page, days, ([first = '', ...others]) => [
      first.replace(/"amount":\s*"[^"]*"/, () => `"amount":${JSON.stringify(amount)}`),
      ...others,
    ]),
  odd_fields: (page, { fields, days }) =>
    changeFirstBucket(page, days, ([first = '', ...others]) => [`${first.slice(0, -1)},${fields}}`, ...others]),
};

const unchanged: ReplyEffect = (reply) => reply;
const delivered =
  (delivery: DeliveryFault): ReplyEffect =>
  (reply) => ({ ...reply, delivery });

const REPLY_EFFECTS: Record<FaultKind, ReplyEffect> = {
  status: (_, fault, requestId) => errorReply(statusOf(fault), textOf(fault), requestId, retryHeaders(fault)),
  rate_limited: (_, fault, requestId) =>
    errorReply(429, fault.message ?? 'This request would exceed your rate limit', requestId, retryHeaders(fault)),
  unauthorized: (_, __, requestId) => errorReply(401, 'invalid x-api-key', requestId),
  forbidden: (_, __, requestId) => errorReply(403, 'This key lacks permission for this resource', requestId),
  no_request_id: (_, fault) => errorReply(statusOf(fault), textOf(fault), null),
  unknown_error_type: (_, fault, requestId) => ({
    ...whole(statusOf(fault), JSON_HEADERS),
    body: errorBody('quota_epoch_error', textOf(fault), requestId),
  }),
  redirect: (_, { location }) => whole(302, { location }),
  html_error: (_, { status }) => ({ ...whole(status ?? 502, HTML_HEADERS), body: GATEWAY_PAGE }),
  html_ok: () => ({ ...whole(200, HTML_HEADERS), body: GATEWAY_PAGE }),
  truncated_json: (reply) => ({ ...reply, body: reply.body.slice(0, Math.floor(reply.body.length / 2)) }),
  wrong_shape: (reply) => ({ ...reply, body: '{"data":null}' }),
  elsewhere: (_, { reply = { status: 502, headers: {}, body: '' } }) => ({ ...reply, delivery: 'whole' }),
  huge_page: delivered('huge_page'),
  gzip_bomb: (reply) => ({
    ...reply,
    headers: { ...reply.headers, 'content-encoding': 'gzip' },
    delivery: 'gzip_bomb',
  }),
  cut_short: delivered('cut_short'),
  reset: delivered('reset'),
  stall_headers: delivered('stall_headers'),
  stall_body: delivered('stall_body'),
  drip: delivered('drip'),
  cyclic_page: unchanged,
  null_page: unchanged,
  duplicate_lines: unchanged,
  lost_line: unchanged,
  missing_bucket: unchanged,
  bad_amount: unchanged,
  odd_fields: unchanged,
  moving_day: unchanged,
  hold: unchanged,
};

function whole(status: number, headers: Reply['headers']): Reply {
  return { status, headers, body: '', delivery: 'whole' };
}

function statusOf({ status = 500 }: Fault): number {
  return status;
}

function textOf({ message = 'Something went wrong' }: Fault): string {
  return message;
}

function retryHeaders({ retryAfter, rateLimitReset }: Fault): Record<string, string> {
  return {
    ...(retryAfter === undefined ? {} : { 'retry-after': retryAfterValue(retryAfter) }),
    ...(rateLimitReset === undefined ? {} : { 'anthropic-ratelimit-requests-reset': rateLimitReset }),
  };
}

function retryAfterValue(text: string): string {
  const seconds = /^date:(\d+)$/.exec(text)?.[1];
  return seconds === undefined ? text : new Date(Date.now() + Number(seconds) * 1_000).toUTCString();
}

/** Changes the rows of the first bucket that has any and, if days are given, is one of them. */
function changeFirstBucket(
  page: ReportPage,
  days: readonly string[] | undefined,
  change: (rows: readonly string[]) => readonly string[],
): ReportPage {
  const first = page.buckets.find(
    ({ startMs, rows }) => rows.length > 0 && (days === undefined || days.includes(formatTime(startMs).slice(0, 10))),
  );
  return {
    ...page,
    buckets: page.buckets.map((bucket) => (bucket === first ? { ...bucket, rows: change(bucket.rows) } : bucket)),
  };
}
