import {
  ApplicationFailure,
  CancellationScope,
  continueAsNew,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/activities.ts';
import type { DeliveryShown, DeliveryStep } from '../activities/deliveries.ts';
import { MAX_SUMMARY_LENGTH, POSTGRES, SENDING } from './activity-options.ts';
import { plain, spellInstant } from './display.ts';
import { sendingQueue, type DeliveryInput } from './messages.ts';

const postgres = proxyActivities<Activities>(POSTGRES);

/** What a delivery that needs nobody ends with. A `gone` one was deleted together with what it told of. */
export interface DeliveryEnd {
  readonly state: 'sent' | 'gone';
  readonly tries: number;
  readonly words: string | null;
}

/**
 * Brings one notice to one address. Postgres says at each look what to do: to send, to wait, or nothing more. So a start, a
 * restart and a reset are one path, and a reset of a delivery that was sent sends nothing. A delivery that a person should
 * know of fails, with why in words: a reset has it sent again, and so does the API.
 */
export async function delivery({ deliveryId, isContinued = false }: DeliveryInput): Promise<DeliveryEnd> {
  const { taskQueue } = workflowInfo();
  const sending = proxyActivities<Activities>({ ...SENDING, taskQueue: sendingQueue(taskQueue) });
  let isStart = !isContinued;
  try {
    for (;;) {
      const step: DeliveryStep = await sending.deliver({ deliveryId, isStart, nowMs: Date.now() });
      isStart = false;
      showDelivery(step);
      if (step.waitMs === null) return endOf(step);
      await sleep(step.waitMs, { summary: summaryOfWait(step).slice(0, MAX_SUMMARY_LENGTH) });
      if (workflowInfo().continueAsNewSuggested) {
        return await continueAsNew<typeof delivery>({ deliveryId, isContinued: true });
      }
    }
  } catch (error) {
    if (isCancellation(error)) await CancellationScope.nonCancellable(() => postgres.cancelDelivery({ deliveryId }));
    throw error;
  }
}

function endOf({ shown }: DeliveryStep): DeliveryEnd {
  if (shown === null) return { state: 'gone', tries: 0, words: null };
  const { state, tries, words } = shown;
  if (state === 'sent') return { state, tries, words };
  const text =
    `${shown.kind} channel "${shown.channel}", "${shown.subject}": ${spellState(shown)} ${words ?? ''}`.trim();
  const failure = ApplicationFailure.nonRetryable(`${text} ${WHAT_TO_DO}`, `delivery_${state}`);
  // The stack would repeat the message and name this function.
  failure.stack = '';
  throw failure;
}

const WHAT_TO_DO =
  'What to do: correct what the words name, then reset this workflow to its first event, or send the delivery again by the API.';

function spellState({ state, tries }: DeliveryShown): string {
  const after = `after ${tries} ${tries === 1 ? 'try' : 'tries'}`;
  if (state === 'unknown') return `unknown ${after}, so look whether it arrived.`;
  return `${state} ${after}.`;
}

function showDelivery({ shown, waitMs }: DeliveryStep): void {
  if (shown === null) return;
  const { channel, kind, subject, state, tries, words } = shown;
  const rows: [string, string][] = [
    ['Channel', `${plain(channel)} (${kind})`],
    ['Subject', plain(subject)],
    ['State', state],
    ['Tries', String(tries)],
    ...(words === null ? [] : [['Last words', plain(words)] satisfies [string, string]]),
    ...(waitMs === null ? [] : [['Next look', spellInstant(Date.now() + waitMs)] satisfies [string, string]]),
  ];
  const table = ['| | |', '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
  setCurrentDetails(`### ${plain(subject)}: ${state}\n\n${table}`);
}

function summaryOfWait({ shown }: DeliveryStep): string {
  if (shown === null) return 'waits';
  const { channel, tries, words } = shown;
  return tries === 0 || words === null ? `${channel}: waits for its turn` : `${channel}, ${tries} tries: ${words}`;
}
