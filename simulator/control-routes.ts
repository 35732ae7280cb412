import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Control } from './control.ts';
import { faultSchema } from './faults/faults.ts';
import { ledgerQuerySchema } from './organization/ledger-lines.ts';
import { latenessSchema, restatementSchema } from './organization/restatements.ts';

type Handler = (control: Control, body: unknown, query: Record<string, string>) => unknown;

const MAX_BODY_BYTES = 1_048_576;
const keyState = z.enum(['active', 'revoked', 'forbidden']);
const scope = z.strictObject({ organization: z.string().optional() });
const limit = z.int().positive().nullable();

const clockSchema = z.strictObject({
  now: z.union([z.string(), z.number()]).optional(),
  advanceDays: z.number().optional(),
  advanceHours: z.number().optional(),
  ticking: z.boolean().optional(),
});
const organizationSchema = z.strictObject({
  id: z.string().optional(),
  name: z.string().optional(),
  individual: z.boolean().optional(),
  keys: z.array(z.strictObject({ key: z.string().optional(), state: keyState.optional() })).optional(),
});
const pagingSchema = z
  .strictObject({ maxBucketsPerPage: limit, maxRowsPerPage: limit, maxWideUsageLimit: limit })
  .partial();

const ROUTES: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['GET clock', (control) => control.clock()],
  ['POST clock', (control, body) => control.clock(clockSchema.parse(body))],
  ['GET organization', (control, _, query) => control.organization(scope.parse(query).organization)],
  ['GET organizations', (control) => control.organizations()],
  ['POST organizations', (control, body) => control.addOrganization(organizationSchema.parse(body))],
  ['GET keys', (control) => control.keys()],
  ['POST keys', (control, body) => control.addKey(scope.extend({ state: keyState.optional() }).parse(body))],
  [
    'POST keys/state',
    (control, body) => {
      const { key, state } = z.strictObject({ key: z.string(), state: keyState }).parse(body);
      return control.setKeyState(key, state);
    },
  ],
  ['GET faults', (control) => control.faults()],
  ['POST faults', (control, body) => control.fault(faultSchema.parse(body))],
  [
    'DELETE faults',
    (control) => {
      control.clearFaults();
      return control.faults();
    },
  ],
  ['POST restate', (control, body) => control.restate(restatementSchema.parse(body))],
  [
    'POST late',
    (control, body) => {
      control.late(latenessSchema.parse(body));
      return {};
    },
  ],
  ['POST release', (control, body) => control.release(scope.extend({ day: z.string().optional() }).parse(body))],
  [
    'POST latency',
    (control, body) => {
      const { ms } = z.strictObject({ ms: z.number().nonnegative() }).parse(body);
      control.latency(ms);
      return { ms };
    },
  ],
  ['POST paging', (control, body) => control.paging(pagingSchema.parse(body))],
  ['GET ledger', (control, _, query) => control.ledger(ledgerQuerySchema.parse(query))],
  ['GET conduct', (control) => control.conduct()],
  ['GET requests', (control) => control.requests()],
  [
    'POST reset-counters',
    (control) => {
      control.resetCounters();
      return {};
    },
  ],
]);

/** Where the control surface begins. */
export const CONTROL_PREFIX = '/_control/';

/** Answers a request to the control surface. It exists in the simulator only. */
export async function handleControl(
  control: Control,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const handler = ROUTES.get(`${request.method ?? ''} ${url.pathname.slice(CONTROL_PREFIX.length)}`);
  if (handler === undefined) {
    send(response, 404, { error: 'no such control' });
    return;
  }
  try {
    const body = await readJson(request);
    send(response, 200, handler(control, body, Object.fromEntries(url.searchParams)));
  } catch (error) {
    const message =
      error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : 'unknown error';
    send(response, 400, { error: message });
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!(chunk instanceof Uint8Array)) continue;
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new RangeError('the body is too long');
  }
  return bytes === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}
