/**
 * The control surface: routes under `/_control/` that look at the simulator and change it. docs/simulator.md describes
 * the faults and restatements as well.
 *
 * | route                 | body or query                                               | what it does                                         |
 * | --------------------- | ----------------------------------------------------------- | ---------------------------------------------------- |
 * | `GET clock`           |                                                             | returns `{now, today, ticking}`                      |
 * | `POST clock`          | `{now?, advanceDays?, advanceHours?, ticking?}`             | moves, stops or starts the clock                     |
 * | `GET organization`    | `?organization=`                                            | returns one organization and its workspaces          |
 * | `GET organizations`   |                                                             | returns all organizations                            |
 * | `POST organizations`  | `{id?, name?, individual?, daysOff?, events?, keys?: [{key?, state?}]}` | adds an organization; `daysOff: false` leaves no day empty |
 * | `POST workspaces`     | `{workspace, organization?, name?, tags?, archived?}`       | renames, tags, archives or restores a workspace      |
 * | `POST recreate`       | `{workspace, organization?}`                                | archives it, and lists a new one with its name       |
 * | `GET keys`            |                                                             | returns all keys and their states                    |
 * | `POST keys`           | `{organization?, state?}`                                   | adds a key                                           |
 * | `POST keys/state`     | `{key, state}`                                              | makes a key `active`, `revoked` or `forbidden`       |
 * | `GET faults`          |                                                             | returns the armed faults and how often each was used |
 * | `POST faults`         | `{kind, …}`, see docs/simulator.md                          | arms a fault                                         |
 * | `DELETE faults`       |                                                             | disarms all faults and sends held replies            |
 * | `POST restate`        | `{day, kind, …}`, see docs/simulator.md                     | corrects a day                                       |
 * | `POST events`         | `{kind, day, …}`, see docs/simulator.md                     | makes a spike, a shift, a drift, a launch or a price change |
 * | `POST late`           | `{day, organization?, report?, part?, until?}`              | hides a day, or a part of it                         |
 * | `POST release`        | `{day?, organization?}`                                     | shows a hidden day, or all of them                   |
 * | `POST latency`        | `{ms}`                                                      | delays every reply of the Admin API                  |
 * | `POST paging`         | `{maxBucketsPerPage?, maxRowsPerPage?, maxWideUsageLimit?}` | limits pages; null removes a limit                   |
 * | `POST spelling`       | `{spacing?, keys?, extra?, escapes?, rows?}`                | spells pages in another way, see docs/simulator.md   |
 * | `GET ledger`          | `?report=cost&from=&to=&organization=`                      | returns every line of `cost` or `usage`              |
 * | `GET conduct`         |                                                             | returns the counts of impolite requests              |
 * | `GET requests`        |                                                             | returns the counts of all requests                   |
 * | `POST reset-counters` |                                                             | sets both counts to zero                             |
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { spellingSchema } from './admin-api/spelling.ts';
import type { Control } from './control.ts';
import { ControlError } from './errors.ts';
import { faultSchema } from './faults/faults.ts';
import { eventSchema } from './organization/events.ts';
import { ledgerQuerySchema } from './organization/ledger-lines.ts';
import { latenessSchema, restatementSchema } from './organization/restatements.ts';

/** Where the control surface begins. */
export const CONTROL_PREFIX = '/_control/';

type Handler = (control: Control, input: { body: unknown; query: Record<string, string> }) => unknown;

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
  daysOff: z.boolean().optional(),
  events: z.array(eventSchema).optional(),
  keys: z.array(z.strictObject({ key: z.string().optional(), state: keyState.optional() })).optional(),
});
const workspaceSchema = scope.extend({ workspace: z.string() });
const workspaceChangeSchema = workspaceSchema.extend({
  name: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  archived: z.boolean().optional(),
});
const keySchema = scope.extend({ state: keyState.optional() });
const keyStateSchema = z.strictObject({ key: z.string(), state: keyState });
const releaseSchema = scope.extend({ day: z.string().optional() });
const latencySchema = z.strictObject({ ms: z.number().nonnegative() });
const pagingSchema = z
  .strictObject({ maxBucketsPerPage: limit, maxRowsPerPage: limit, maxWideUsageLimit: limit })
  .partial();

const ROUTES: Readonly<Record<string, Handler>> = {
  'GET clock': (control) => control.clock(),
  'POST clock': (control, { body }) => control.clock(clockSchema.parse(body)),
  'GET organization': (control, { query }) => control.organization(scope.parse(query).organization),
  'GET organizations': (control) => control.organizations(),
  'POST organizations': (control, { body }) => control.addOrganization(organizationSchema.parse(body)),
  'POST workspaces': (control, { body }) => control.changeWorkspace(workspaceChangeSchema.parse(body)),
  'POST recreate': (control, { body }) => control.recreateWorkspace(workspaceSchema.parse(body)),
  'GET keys': (control) => control.keys(),
  'POST keys': (control, { body }) => control.addKey(keySchema.parse(body)),
  'POST keys/state': (control, { body }) => {
    const { key, state } = keyStateSchema.parse(body);
    return control.setKeyState(key, state);
  },
  'GET faults': (control) => control.faults(),
  'POST faults': (control, { body }) => control.fault(faultSchema.parse(body)),
  'DELETE faults': (control) => {
    control.clearFaults();
    return control.faults();
  },
  'POST restate': (control, { body }) => control.restate(restatementSchema.parse(body)),
  'POST events': (control, { body }) => control.event(eventSchema.parse(body)),
  'POST late': (control, { body }) => {
    control.late(latenessSchema.parse(body));
    return {};
  },
  'POST release': (control, { body }) => control.release(releaseSchema.parse(body)),
  'POST latency': (control, { body }) => {
    const { ms } = latencySchema.parse(body);
    control.latency(ms);
    return { ms };
  },
  'POST paging': (control, { body }) => control.paging(pagingSchema.parse(body)),
  'POST spelling': (control, { body }) => control.spelling(spellingSchema.parse(body)),
  'GET ledger': (control, { query }) => control.ledger(ledgerQuerySchema.parse(query)),
  'GET conduct': (control) => control.conduct(),
  'GET requests': (control) => control.requests(),
  'POST reset-counters': (control) => {
    control.resetCounters();
    return {};
  },
};

/** Answers a request to the control surface. */
export async function handleControl(
  control: Control,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const route = `${request.method ?? ''} ${url.pathname.slice(CONTROL_PREFIX.length)}`;
  const handler = Object.hasOwn(ROUTES, route) ? ROUTES[route] : undefined;
  if (handler === undefined) {
    send(response, 404, { error: 'no such route' });
    return;
  }
  try {
    const body = await readJson(request);
    send(response, 200, handler(control, { body, query: Object.fromEntries(url.searchParams) }));
  } catch (error) {
    if (error instanceof z.ZodError) send(response, 400, { error: z.prettifyError(error) });
    else if (error instanceof ControlError) send(response, 400, { error: error.message });
    else send(response, 500, { error: String(error) });
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!(chunk instanceof Uint8Array)) continue;
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new ControlError(`the body is longer than ${MAX_BODY_BYTES} bytes`);
  }
  if (bytes === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new ControlError('the body is not JSON');
  }
}

function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}
