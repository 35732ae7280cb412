import { z } from 'zod';
import type { Endpoint } from '../admin-api/endpoints.ts';
import { restatementSchema } from '../organization/restatements.ts';

export const FAULT_KINDS = [
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
  'cut_short',
  'reset',
  'stall_headers',
  'stall_body',
  'drip',
  'huge_page',
  'gzip_bomb',
  'wrong_shape',
  'cyclic_page',
  'null_page',
  'duplicate_lines',
  'lost_line',
  'missing_bucket',
  'bad_amount',
  'odd_fields',
  'moving_day',
  'hold',
  'elsewhere',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** What goes wrong, for which requests, and how often. */
export const faultSchema = z.strictObject({
  kind: z.enum(FAULT_KINDS),
  /** Which requests: all of those given must hold. */
  path: z.string().optional(),
  report: z.enum(['organization', 'workspaces', 'cost', 'usage']).optional(),
  /** The number of the page within its read, the first being 1. */
  page: z.int().positive().optional(),
  key: z.string().optional(),
  /** Only reads with (true) or without (false) a `group_by[]`. */
  grouped: z.boolean().optional(),
  /** So many matching requests pass unharmed first. */
  after: z.int().nonnegative().default(0),
  /** For so many matching requests; `always` until cleared. */
  times: z.union([z.int().positive(), z.literal('always')]).default(1),
  /** For `status`, `html_error`, `no_request_id` and `unknown_error_type`. */
  status: z.int().min(400).max(599).optional(),
  /** For `rate_limited` and `status`: sent as it is; `date:5` becomes the HTTP date five seconds from now. Absent where left out. */
  retryAfter: z
    .union([z.string(), z.number()])
    .transform((value) => String(value))
    .optional(),
  /** For `rate_limited`: the value of `anthropic-ratelimit-requests-reset`. */
  rateLimitReset: z.string().optional(),
  /** For `huge_page` and `gzip_bomb`: how large the body is once unpacked. */
  bytes: z.int().positive().optional(),
  /** Only pages of a report that hold one of these days (YYYY-MM-DD); of `lost_line`, `bad_amount` and `odd_fields`, it is the first line of the first of them. */
  days: z.array(z.iso.date()).optional(),
  /** For `drip`. */
  bytesPerSecond: z.number().positive().default(1),
  /** For `redirect`. */
  location: z.string().default('http://127.0.0.1:9/elsewhere'),
  /** For `bad_amount`: a text is sent as a JSON string, a number as a JSON number. */
  amount: z.union([z.string(), z.number()]).default('NaN'),
  /** For `elsewhere`: what answers in Anthropic's place, with nothing of Anthropic's own. */
  reply: z
    .strictObject({
      status: z.int().min(200).max(599),
      headers: z.record(z.string(), z.string()).default({}),
      body: z.string().default(''),
    })
    .optional(),
  /** For `odd_fields`: JSON of fields, with commas between, with which the row ends. Where a name comes twice, the last one counts. */
  fields: z.string().default('"odd":null'),
  /** For `status` and the others that answer with an error: the message in it. */
  message: z.string().optional(),
  /** For `moving_day`: the reply is right as of then, and this correction is made before any other request is answered. */
  restatement: restatementSchema.optional(),
});

export type FaultInput = z.input<typeof faultSchema>;
export type Fault = z.output<typeof faultSchema>;

export interface ArmedFault {
  id: number;
  fault: Fault;
  /** How many requests matched, and how many of them were harmed. */
  seen: number;
  fired: number;
}

export interface FaultTarget {
  readonly path: string;
  readonly endpoint: Endpoint;
  readonly page: number | null;
  readonly key: string | null;
  readonly grouped: boolean;
}

const PAGE_FAULTS: ReadonlySet<FaultKind> = new Set([
  'cyclic_page',
  'null_page',
  'duplicate_lines',
  'lost_line',
  'missing_bucket',
  'bad_amount',
  'odd_fields',
]);

/** The faults that are armed, in the order in which they were. */
export class Faults {
  #armed: ArmedFault[] = [];
  #count = 0;
  #held: (() => void)[] = [];

  arm(input: FaultInput): ArmedFault {
    const fault = faultSchema.parse(input);
    this.#count += 1;
    const armed = { id: this.#count, fault, seen: 0, fired: 0 };
    this.#armed.push(armed);
    return { ...armed };
  }

  /** Disarms every fault, and lets go of what `hold` held. */
  clear(): void {
    this.#armed = [];
    for (const release of this.#held.splice(0)) release();
  }

  /** Keeps a finished reply, which goes out once the faults are cleared. */
  hold(release: () => void): void {
    this.#held.push(release);
  }

  list(): ArmedFault[] {
    return this.#armed.map((armed) => ({ ...armed }));
  }

  /** The fault that this request suffers, if any: the first one armed that is not used up. */
  take(target: FaultTarget): Fault | null {
    let taken: Fault | null = null;
    for (const armed of this.#armed) {
      if (!matches(armed.fault, target)) continue;
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
    (isReport || !PAGE_FAULTS.has(fault.kind)) &&
    (fault.kind !== 'bad_amount' || target.endpoint === 'cost')
  );
}
