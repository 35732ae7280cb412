import type { FailureCode } from '../failures.ts';
import type { Message } from './messages.ts';
import type { Status } from './statuses.ts';
import type { SyncPlan } from './sync-plan.ts';

/** What a connection does next. The activity and the query that carry a step out have its name. */
export type Step =
  | { readonly do: 'end' }
  | { readonly do: 'tryKey'; readonly keyId: string }
  | { readonly do: 'discoverWorkspaces' }
  | { readonly do: 'startSync'; readonly plan: SyncPlan }
  | { readonly do: 'cancelSync' }
  | { readonly do: 'setStatus'; readonly to: Status }
  | { readonly do: 'clearFailure' }
  | { readonly do: 'restoreKey'; readonly rejectedKeyId: string; readonly code: FailureCode }
  | { readonly do: 'probeKey' }
  /** Corrects what was stored while the clock was ahead. */
  | { readonly do: 'distrustClock' }
  | { readonly do: 'disconnect'; readonly purge: boolean }
  | { readonly do: 'addEvent'; readonly text: string }
  /** Adds an event that says why a rotation to this key changes nothing. */
  | { readonly do: 'recordRotation'; readonly keyId: string }
  /** Waits for a message, at most until this instant (ms); null means without a limit. */
  | { readonly do: 'wait'; readonly untilMs: number | null };

/** A step, and the message that it answers. The message leaves the inbox once the step is carried out. */
export interface Decision {
  readonly step: Step;
  readonly answers?: Message;
}
