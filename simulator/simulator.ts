import { once } from 'node:events';
import { Clock } from './clock.ts';
import { Control } from './control.ts';
import type { OrganizationOptions } from './organization/organization.ts';
import { hashText } from './random.ts';
import { createSimulatorServer } from './server.ts';

export type { Control, KeyView, LedgerQuery, OrganizationView } from './control.ts';
export type { ClockChange, ClockState } from './clock.ts';
export type { ConductEntry, ConductReport, Misconduct } from './conduct.ts';
export type { ArmedFault, FaultInput, FaultKind } from './faults/faults.ts';
export type { CostLedgerLine, UsageLedgerLine } from './organization/ledger-lines.ts';
export type { KeyState, OrganizationOptions } from './organization/organization.ts';
export type { Paging } from './admin-api/reports.ts';
export type { RequestEntry, RequestReport } from './requests.ts';
export type { LatenessInput, RestatementInput } from './organization/restatements.ts';

export interface SimulatorOptions {
  /** 0, the default, takes a free one. */
  port?: number | undefined;
  host?: string | undefined;
  /** The same seed and clock give the same data, whatever is asked for in which order. */
  seed?: number | string | undefined;
  /** Starts the clock there, standing still unless `ticking`; the real time where left out. */
  now?: string | number | Date | undefined;
  ticking?: boolean | undefined;
  /** How many days of history there are, today included. */
  days?: number | undefined;
  /** Besides the default workspace; the last of several is archived. */
  workspaces?: number | undefined;
  models?: number | undefined;
  /** Roughly so many cost lines on each day, without a weekly rhythm; a small organization's own number where left out. */
  linesPerDay?: number | undefined;
  /** Combinations of dimensions that no earlier day has. */
  newSeriesPerDay?: number | undefined;
  /** Rows with values and fields that no reference names; a few by default. */
  unknowns?: boolean | undefined;
  latencyMs?: number | undefined;
  /** Makes all pages at the start and serves them from memory, for benchmarks. */
  prerendered?: boolean | undefined;
  /** Fewer buckets than `limit` on each page. */
  maxBucketsPerPage?: number | undefined;
  /** A bucket with more rows than are left goes on on the next page. */
  maxRowsPerPage?: number | undefined;
  /** The usage report refuses a higher `limit` with three or more dimensions. */
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
  const startDay = clock.today();
  const control = new Control({
    seed: hashText(`meterline ${options.seed ?? 1}`),
    clock,
    scale: {
      workspaces: options.workspaces ?? 5,
      models: options.models ?? 6,
      linesPerDay: options.linesPerDay ?? null,
      newSeriesPerDay: options.newSeriesPerDay ?? 2,
      unknowns: options.unknowns ?? true,
      firstDay: startDay - (options.days ?? 400) + 1,
      startDay,
    },
    paging: {
      maxBucketsPerPage: options.maxBucketsPerPage ?? null,
      maxRowsPerPage: options.maxRowsPerPage ?? null,
      maxWideUsageLimit: options.maxWideUsageLimit ?? null,
    },
    latencyMs: options.latencyMs ?? 0,
    prerendered: options.prerendered ?? false,
    organizations: options.organizations ?? [{}],
  });
  const server = createSimulatorServer(control);
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
