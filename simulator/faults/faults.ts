import { z } from 'zod';
import type { Endpoint } from '../admin-api/endpoints.ts';
import { restatementSchema } from '../organization/restatements.ts';

/** Faults of the reply: its status, its headers or the form of its body. */
const REPLY_FAULTS = [
  'status',
  'rate_limited',
  'unauthorized',
  'forbidden',
  'no_request_id',
  'unknown_error_type',
  'redirect',
  'html_error',
  'html_ok',
  'truncated_json',
  'wrong_shape',
  'elsewhere',
] as const;
/** Faults of what a report page says. */
const PAGE_FAULTS = [
  'cyclic_page',
  'null_page',
  'duplicate_lines',
  'lost_line',
  'missing_bucket',
  'bad_amount',
  'odd_fields',
] as const;
/** Faults of how the body goes over the wire. */
const DELIVERY_FAULTS = [
  'cut_short',
  'reset',
  'stall_headers',
  'stall_body',
  'drip',
  'huge_page',
  'gzip_bomb',
] as const;
/** Faults of when something happens. */
const TIMING_FAULTS = ['moving_day', 'hold'] as const;

export const FAULT_KINDS = [...REPLY_FAULTS, ...PAGE_FAULTS, ...DELIVERY_FAULTS, ...TIMING_FAULTS] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];
export type DeliveryFault = (typeof DELIVERY_FAULTS)[number];

/** What goes wrong, for which requests, and how often. A request must match every condition that is given. */
export const faultSchema = z.strictObject({
  kind: z.enum(FAULT_KINDS),
  path: z.string().optional(),
  report: z.enum(['organization', 'workspaces', 'cost', 'usage']).optional(),
  /** The number of the page within its read. The first is 1. */
  page: z.int().positive().optional(),
  key: z.string().optional(),
  /** Only reads with (true) or without (false) a `group_by[]`. */
  grouped: z.boolean().optional(),
  /** How many matching requests are served normally first. */
  after: z.int().nonnegative().default(0),
  /** How many matching requests the fault affects. `always` lasts until the fault is cleared. */
  times: z.union([z.int().positive(), z.literal('always')]).default(1),
  /** For `status`, `html_error`, `no_request_id` and `unknown_error_type`. */
  status: z.int().min(400).max(599).optional(),
  /** For `rate_limited` and `status`. `date:5` becomes the HTTP date five seconds from now, other text is sent as given. */
  retryAfter: z
    .union([z.string(), z.number()])
    .transform((value) => String(value))
    .optional(),
  /** For `rate_limited` and `status`: the value of `anthropic-ratelimit-requests-reset`. */
  rateLimitReset: z.string().optional(),
  /** For `huge_page` and `gzip_bomb`: the size of the unpacked body. */
  bytes: z.int().positive().optional(),
  /**
   * Only report pages that hold one of these days (YYYY-MM-DD). `lost_line`, `bad_amount` and `odd_fields` change the
   * first line of the first of them.
   */
  days: z.array(z.iso.date()).optional(),
  /** For `drip`. */
  bytesPerSecond: z.number().positive().default(1),
  /** For `redirect`. */
  location: z.string().default('http://127.0.0.1:9/elsewhere'),
  /** For `bad_amount`: a string is sent as a JSON string, a number as a JSON number. */
  amount: z.union([z.string(), z.number()]).default('NaN'),
  /** For `elsewhere`: the reply of something that answers in Anthropic's place, without Anthropic's headers. */
  reply: z
    .strictObject({
      status: z.int().min(200).max(599),
      headers: z.record(z.string(), z.string()).default({}),
      body: z.string().default(''),
    })
    .optional(),
  /** For `odd_fields`: JSON fields, separated by commas, added at the end of a row. A repeated name overrides the first. */
  fields: z.string().default('"odd":null'),
  /** For the faults that answer with an error: its message. */
  message: z.string().optional(),
  /** For `moving_day`: a correction that follows this reply and precedes every other one. */
  restatement: restatementSchema.optional(),
});

export type FaultInput = z.input<typeof faultSchema>;
export type Fault = z.output<typeof faultSchema>;

export interface ArmedFault {
  id: number;
  fault: Fault;
  /** How many requests matched. */
  seen: number;
  /** How many requests the fault affected. */
  fired: number;
}

/** What a fault's conditions look at in a request. */
interface FaultTarget {
  readonly path: string;
  readonly endpoint: Endpoint;
  readonly page: number | null;
  readonly key: string | null;
  readonly grouped: boolean;
}

/** The armed faults, oldest first. */
export class Faults {
  #armed: ArmedFault[] = [];
  #count = 0;
  #held: (() => void)[] = [];

  /** Throws ZodError. */
  arm(input: FaultInput): ArmedFault {
    const fault = faultSchema.parse(input);
    this.#count += 1;
    const armed = { id: this.#count, fault, seen: 0, fired: 0 };
    this.#armed.push(armed);
    return { ...armed };
  }

  /** Disarms every fault and sends the replies that `hold` kept back. */
  clear(): void {
    this.#armed = [];
    for (const send of this.#held.splice(0)) send();
  }

  /** Keeps a finished reply back until the faults are cleared. */
  hold(send: () => void): void {
    this.#held.push(send);
  }

  list(): ArmedFault[] {
    return this.#armed.map((armed) => ({ ...armed }));
  }

  /** The fault that affects this request: the oldest match that is not used up. Counts the request for every match. */
  take(target: FaultTarget): Fault | null {
    let taken: Fault | null = null;
    for (const armed of this.#armed.filter(({ fault }) => matches(fault, target))) {
      armed.seen += 1;
      const { after, times } = armed.fault;
      if (taken === null && armed.seen > after && (times === 'always' || armed.fired < times)) {
        armed.fired += 1;
        taken = armed.fault;
      }
    }
    return taken;
  }
}

function matches(fault: Fault, target: FaultTarget): boolean {
  const isReport = target.endpoint === 'cost' || target.endpoint === 'usage';
  return (
    (fault.path === undefined || fault.path === target.path) &&
    (fault.report === undefined || fault.report === target.endpoint) &&
    (fault.page === undefined || fault.page === target.page) &&
    (fault.key === undefined || fault.key === target.key) &&
    (fault.grouped === undefined || fault.grouped === target.grouped) &&
    (isReport || !PAGE_FAULTS.some((kind) => kind === fault.kind)) &&
    (fault.kind !== 'bad_amount' || target.endpoint === 'cost')
  );
}
