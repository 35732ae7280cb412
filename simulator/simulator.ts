import { once } from 'node:events';
import type { Paging } from './admin-api/reports.ts';
import { spellingSchema, type SpellingInput } from './admin-api/spelling.ts';
import { Clock } from './clock.ts';
import { Conduct } from './conduct.ts';
import { Control } from './control.ts';
import { Faults } from './faults/faults.ts';
import type { Descriptions } from './organization/catalog.ts';
import type { OrganizationOptions, Scale } from './organization/organization.ts';
import { Organizations } from './organization/organizations.ts';
import { hashText } from './random.ts';
import { Requests } from './requests.ts';
import { createSimulatorServer } from './server.ts';

export type { Paging } from './admin-api/reports.ts';
export type { Spelling, SpellingInput } from './admin-api/spelling.ts';
export type { ClockChange, ClockState } from './clock.ts';
export type { ConductEntry, ConductReport, Violation } from './conduct.ts';
export type { Control, KeyView, OrganizationView } from './control.ts';
export type { ArmedFault, FaultInput, FaultKind } from './faults/faults.ts';
export type { CostLedgerLine, LedgerQuery, UsageLedgerLine } from './organization/ledger-lines.ts';
export type { KeyState, OrganizationOptions } from './organization/organization.ts';
export type { LatenessInput, RestatementInput } from './organization/restatements.ts';
export type { RequestEntry, RequestReport } from './requests.ts';

export interface SimulatorOptions {
  /** 0, the default, takes any free port. */
  port?: number | undefined;
  host?: string | undefined;
  /** The same seed and clock give the same data, in whatever order a client asks. */
  seed?: number | string | undefined;
  /** Sets the clock to this time, where it stands still unless `ticking`. The default is the real time. */
  now?: string | number | Date | undefined;
  ticking?: boolean | undefined;
  /** The days of history, today included. */
  days?: number | undefined;
  /** The workspaces besides the default one. The last of several is archived. */
  workspaces?: number | undefined;
  models?: number | undefined;
  /** Roughly this many cost lines each day, without a weekly rhythm. The default is what a small organization has. */
  linesPerDay?: number | undefined;
  /** Combinations of dimensions that no earlier day has. */
  newSeriesPerDay?: number | undefined;
  /** What descriptions are made of: plain words, words that JSON escapes, or a thousand characters each. */
  descriptions?: Descriptions | undefined;
  /** Each series is in use for so many days in a row, or for one day less, and never again. */
  seriesLifeDays?: number | undefined;
  /** Adds a few rows with values and fields that no reference names. The default is true. */
  unknowns?: boolean | undefined;
  latencyMs?: number | undefined;
  /** Makes all pages at the start and serves them from memory, for benchmarks. */
  prerendered?: boolean | undefined;
  /** How report pages spell their JSON. */
  spelling?: SpellingInput | undefined;
  /** Puts fewer buckets than `limit` on each page. */
  maxBucketsPerPage?: number | undefined;
  /** Splits a bucket with more rows than this over several pages. */
  maxRowsPerPage?: number | undefined;
  /** Lets the usage report refuse a higher `limit` with three or more dimensions. */
  maxWideUsageLimit?: number | undefined;
  organizations?: readonly OrganizationOptions[] | undefined;
}

export interface Simulator {
  url: string;
  control: Control;
  close: () => Promise<void>;
}

/** Starts a simulated Admin API in this process. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const clock = new Clock(options.now, options.ticking ?? options.now === undefined);
  const seed = hashText(`meterline ${options.seed ?? 1}`);
  const state = {
    clock,
    organizations: new Organizations({ seed, scale: scaleOf(options, clock), clock }),
    faults: new Faults(),
    conduct: new Conduct(clock),
    requests: new Requests(),
    paging: pagingOf(options),
    spelling: spellingSchema.parse(options.spelling ?? {}),
    latencyMs: options.latencyMs ?? 0,
  };
  const control = new Control(state, { isPrerendered: options.prerendered ?? false });
  for (const organization of options.organizations ?? [{}]) control.addOrganization(organization);
  const server = createSimulatorServer(state, control);
  const host = options.host ?? '127.0.0.1';
  server.listen(options.port ?? 0, host);
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    control,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function scaleOf(options: SimulatorOptions, clock: Clock): Scale {
  const startDay = clock.today();
  return {
    workspaces: options.workspaces ?? 5,
    models: options.models ?? 6,
    linesPerDay: options.linesPerDay ?? null,
    descriptions: options.descriptions ?? 'plain',
    newSeriesPerDay: options.newSeriesPerDay ?? 2,
    seriesLifeDays: options.seriesLifeDays ?? null,
    unknowns: options.unknowns ?? true,
    firstDay: startDay - (options.days ?? 400) + 1,
    startDay,
  };
}

function pagingOf(options: SimulatorOptions): Paging {
  return {
    maxBucketsPerPage: options.maxBucketsPerPage ?? null,
    maxRowsPerPage: options.maxRowsPerPage ?? null,
    maxWideUsageLimit: options.maxWideUsageLimit ?? null,
  };
}
