import { z } from 'zod';
import type { Facts } from '../../domain/connection/facts.ts';
import {
  dayJson,
  failureCodeJson,
  failureJson,
  instantMs,
  keyStateJson,
  statusJson,
  syncKindJson,
  syncStateJson,
  waitingJson,
} from '../core/json.ts';
import type { ConnectionView } from './views.ts';

const probes = {
  probedAtMs: instantMs.nullable(),
  answeredAtMs: instantMs.nullable(),
  rejectedAtMs: instantMs.nullable(),
};

const candidateFacts = z.object({
  keyId: z.string(),
  requested: z.boolean(),
  tries: z.int(),
  triedAtMs: instantMs.nullable(),
  failure: z.object({ code: failureCodeJson, retryAfterMs: z.number().exactOptional() }).exactOptional(),
});

const failureFacts = z.object({
  code: failureCodeJson,
  retryAfterMs: z.number().exactOptional(),
  keyId: z.string().nullable(),
  atMs: instantMs,
  count: z.int(),
  ...probes,
});

/** The part of {@link Facts} that Postgres answers. */
export const factsJson: z.ZodType<Omit<Facts, 'connectionId' | 'syncHourUtc'>> = z.object({
  status: statusJson,
  began: dayJson,
  backfillTo: dayJson,
  discovered: z.boolean(),
  openSince: dayJson.nullable(),
  nextSync: z.int(),
  activeKeyId: z.string().nullable(),
  hasSupersededKey: z.boolean(),
  candidates: z.array(candidateFacts),
  oldestMissing: dayJson.nullable(),
  newestMissing: dayJson.nullable(),
  oldestUnconfirmed: dayJson.nullable(),
  oldestUnfinished: dayJson.nullable(),
  lastSyncFailed: z.boolean(),
  requestedDays: z.object({ from: dayJson, to: dayJson }).nullable(),
  recentDaysRequested: z.boolean(),
  syncedAtMs: instantMs.nullable(),
  failure: failureFacts.nullable(),
  hasFutureDays: z.boolean(),
});

const keyView = z.object({
  id: z.string(),
  state: keyStateJson,
  hint: z.string(),
  addedAtMs: instantMs,
  activatedAtMs: instantMs.nullable(),
  lastUsedAtMs: instantMs.nullable(),
  tries: z.int(),
  triedAtMs: instantMs.nullable(),
  failure: failureJson.nullable(),
});

const syncView = z.object({
  n: z.int(),
  runId: z.string(),
  kind: syncKindJson,
  state: syncStateJson,
  from: dayJson,
  to: dayJson,
  daysRead: z.int(),
  daysChanged: z.int(),
  requests: z.int(),
  bytes: z.int(),
  failure: failureJson.nullable(),
  waiting: waitingJson.nullable(),
  startedAtMs: instantMs,
  endedAtMs: instantMs.nullable(),
});

/** A {@link ConnectionView}. */
export const connectionViewJson: z.ZodType<ConnectionView> = z.object({
  id: z.string(),
  name: z.string(),
  status: statusJson,
  organizationId: z.string().nullable(),
  organizationName: z.string().nullable(),
  began: dayJson,
  backfillTo: dayJson,
  createdAtMs: instantMs,
  failure: z.object({ failure: failureJson, atMs: instantMs, count: z.int(), ...probes }).nullable(),
  key: keyView.nullable(),
  candidates: z.array(keyView),
  refusal: z.object({ failure: failureJson, atMs: instantMs }).nullable(),
  coverage: z.object({
    from: dayJson.nullable(),
    through: dayJson.nullable(),
    days: z.int(),
    backfillDays: z.int(),
    provisionalDays: z.int(),
    flaggedDays: z.int(),
    missingDays: z.int(),
    hasLines: z.boolean(),
  }),
  lastSync: syncView.nullable(),
  lastEndedSync: syncView.nullable(),
});
