import type { Logger } from 'pino';
import { databaseFailure } from '../db/core/database.ts';
import { adviceOn } from '../db/core/failures.ts';
import { endFrozenSessions } from '../db/core/sessions.ts';
import { destroyForgottenCandidates } from '../db/keys/discard.ts';
import { tellLastingTrouble } from '../db/notices/trouble.ts';
import { keepAssessment } from './assess.ts';
import { keepDeliveries } from './deliveries.ts';
import { countMissingWorkflows, keepConnections, wakeForWork, type Woken, type Workflows } from './keeper.ts';
import { reasonOf, type Outages } from './outages.ts';

const ROUND_MS = 10_000;
const KEEP_INTERVAL_MS = 3_600_000;
/** Temporal's count lags behind, so a count right after starting workflows would find them missing again. */
const COUNT_INTERVAL_MS = 60_000;
const ANSWER_WITHIN_MS = 5_000;

/** What the keeper works with. */
export interface KeeperDependencies extends Workflows {
  readonly log: Logger;
  /** Registers the search attributes that Temporal lacks. */
  readonly registerAttributes: () => Promise<void>;
  /** Report outages of either server to the log. */
  readonly outages: { readonly postgres: Outages; readonly temporal: Outages };
}

/** What one round leaves for the next. Times are of `performance.now()`. */
interface KeeperState {
  keptAtMs: number;
  countIntervalMs: number;
  /** The id of Temporal's state in which every connection was started. */
  stateId: string | null;
  readonly woken: Woken;
}

/**
 * Every few seconds ends frozen sessions, tells of lasting trouble, registers search attributes, wakes workflows for untold
 * work, has everything assessed that is due, and starts those of waiting deliveries. Starts missing workflows of connections if Temporal lost its state or counts too few, and once an hour in any case. Returns a function that stops it.
 */
export function startKeeper(deps: KeeperDependencies): () => void {
  const state: KeeperState = {
    keptAtMs: -Infinity,
    countIntervalMs: COUNT_INTERVAL_MS,
    stateId: null,
    woken: new Map(),
  };
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const loop = async (): Promise<void> => {
    await keepRound(deps, state);
    if (!isStopped) timer = setTimeout(() => void loop(), ROUND_MS);
  };
  void loop();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

/** One round. It never fails: the log says what went wrong, and the next round tries again. */
async function keepRound(deps: KeeperDependencies, state: KeeperState): Promise<void> {
  const { db, log, outages } = deps;
  try {
    const frozen = await endFrozenSessions(db);
    if (frozen > 0) log.warn({ frozen }, 'ended the sessions of a frozen process, which held locks');
    const told = await tellLastingTrouble(db);
    if (told > 0) log.info({ told }, 'told of connections that are in trouble');
    await lookAfterConnections(deps, state);
    outages.postgres.answered();
  } catch (error) {
    const failure = databaseFailure(error);
    if (failure?.unavailable === true) {
      outages.postgres.failed(failure.message, adviceOn(failure));
      return;
    }
    const message = failure?.message ?? (error instanceof Error ? error.message : 'unknown');
    log.warn({ error: message }, 'could not look after the connections; the next round tries again');
  }
}

async function lookAfterConnections(deps: KeeperDependencies, state: KeeperState): Promise<void> {
  const { isReached, stateId } = await askForState(deps);
  if (!isReached) {
    await destroyForgottenCandidates(deps.db);
    return;
  }
  // Before any workflow wakes: a workflow that uses a missing attribute fails its task until the attribute is there.
  await deps.registerAttributes();
  const isStateLost = stateId !== null && state.stateId !== null && stateId !== state.stateId;
  if (isStateLost) state.woken.clear();
  await wakeForWork(deps, state.woken);
  await keepAssessment(deps, state.woken);
  await keepDeliveries(deps, state.woken);

  const sinceKeptMs = performance.now() - state.keptAtMs;
  const isTimeToCount = sinceKeptMs >= state.countIntervalMs;
  const areSomeMissing = isTimeToCount && !isStateLost && (await countMissingWorkflows(deps)) > 0;
  if (isStateLost || areSomeMissing || sinceKeptMs >= KEEP_INTERVAL_MS) {
    const live = await keepConnections(deps);
    state.keptAtMs = performance.now();
    state.stateId = stateId ?? state.stateId;
    // Starting does not help connections that run on another task queue, so it is tried less and less often.
    state.countIntervalMs = areSomeMissing ? Math.min(state.countIntervalMs * 2, KEEP_INTERVAL_MS) : COUNT_INTERVAL_MS;
    if (isStateLost) deps.log.warn({ live }, 'Temporal lost its state; started every live connection again');
    else if (areSomeMissing) deps.log.warn({ live }, 'some live connections had no workflow here; started them');
    else deps.log.info({ live }, 'every live connection has its workflow');
    return;
  }
  if (isTimeToCount) state.countIntervalMs = COUNT_INTERVAL_MS;
  state.stateId ??= stateId;
}

/** gRPC's codes for a server that was not reached: cancelled, deadline exceeded, unavailable. */
const UNREACHED: readonly unknown[] = [1, 4, 14];
const NO_NAMESPACE = 5;

/**
 * Asks Temporal for the id of the namespace, and reports outages. A Temporal that lost its state makes the namespace anew,
 * with another id. Null if Temporal does not say it.
 */
async function askForState({
  client,
  outages: { temporal },
}: KeeperDependencies): Promise<{ isReached: boolean; stateId: string | null }> {
  const { namespace } = client.options;
  try {
    const { namespaceInfo } = await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, () =>
      client.workflowService.describeNamespace({ namespace }),
    );
    temporal.answered();
    return { isReached: true, stateId: namespaceInfo?.id ?? null };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const isReached = !UNREACHED.includes(code);
    if (isReached && code !== NO_NAMESPACE) temporal.answered();
    else temporal.failed(reasonOf(error));
    return { isReached, stateId: null };
  }
}
