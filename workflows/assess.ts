import {
  ActivityFailure,
  ApplicationFailure,
  continueAsNew,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/activities.ts';
import type { Assessed } from '../activities/assess.ts';
import { ASSESSING } from './activity-options.ts';
import { assessNow } from './messages.ts';

const activities = proxyActivities<Activities>(ASSESSING);

const NO_ANOMALIES: Assessed['anomalies'] = { opened: 0, closed: 0, withdrawn: 0 };

/** What the assessments of a run came to together, in words. */
export interface AssessEnd {
  readonly words: string;
}

/**
 * Judges what is stored, and ends. A sync that ends, a person who changes a budget and every new day ask for it. Whoever asks
 * while it runs has it look once more, however many ask: what they saw may be newer than what it has read. Postgres says
 * what is to do, and decides in one transaction, so a run that is lost or repeated decides nothing twice.
 */
export async function assess(): Promise<AssessEnd> {
  let isAsked = true;
  // A signal and not an update: nobody waits for the verdicts, and many signals are one more look.
  setHandler(assessNow, () => {
    isAsked = true;
  });
  let sum: Assessed = { budgets: 0, alerts: 0, withdrawn: 0, anomalies: NO_ANOMALIES, forecasts: 0, left: 0 };
  while (isAsked) {
    isAsked = false;
    const found = await look();
    sum = added(sum, found);
    setCurrentDetails(`### ${wordsOf(sum)}`);
    if (found.left > 0) isAsked = true;
    if (isAsked && workflowInfo().continueAsNewSuggested) await continueAsNew<typeof assess>();
  }
  return { words: wordsOf(sum) };
}

async function look(): Promise<Assessed> {
  try {
    return await activities.assess({ nowMs: Date.now() });
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    const failure = ApplicationFailure.nonRetryable(
      `The budgets and anomalies could not be assessed, and nothing was decided. ${error.cause?.message ?? ''} ${WHAT_TO_DO}`,
      'assess_failed',
    );
    // The stack would repeat the message and name this function.
    failure.stack = '';
    setCurrentDetails(`### ${failure.message}`);
    throw failure;
  }
}

const WHAT_TO_DO =
  'What to do: correct what this says. The next sync tries again, and so does the worker within ten minutes.';

function added(sum: Assessed, { budgets, alerts, withdrawn, anomalies, forecasts, left }: Assessed): Assessed {
  return {
    budgets,
    alerts: sum.alerts + alerts,
    withdrawn: sum.withdrawn + withdrawn,
    anomalies: {
      opened: sum.anomalies.opened + anomalies.opened,
      closed: sum.anomalies.closed + anomalies.closed,
      withdrawn: sum.anomalies.withdrawn + anomalies.withdrawn,
    },
    forecasts: sum.forecasts + forecasts,
    left,
  };
}

function wordsOf({ budgets, alerts, withdrawn, anomalies, forecasts, left }: Assessed): string {
  const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;
  const { opened, closed } = anomalies;
  const undone = anomalies.withdrawn === 0 ? '' : `, ${anomalies.withdrawn} withdrawn`;
  const moved =
    opened + closed + anomalies.withdrawn === 0 ? '' : `; anomalies: ${opened} opened, ${closed} closed${undone}`;
  const kept = forecasts === 0 ? '' : `, ${count(forecasts, 'forecast')} of connections kept`;
  return `${count(budgets, 'budget')}, ${count(alerts, 'alert')}, ${withdrawn} withdrawn${kept}${moved}${left === 0 ? '' : `, ${left} left`}`;
}
