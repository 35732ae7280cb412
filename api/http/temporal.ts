import type { SignalName } from '../../domain/connection/messages.ts';

/** The only calls of the API to Temporal. */
export interface Temporal {
  /** Starts the workflow of a connection unless it runs already. `summary` is shown in the Temporal UI. */
  startConnection(connectionId: string, summary: string): Promise<void>;
  /** Signals the workflow of a connection, and starts it if it does not run. */
  signalConnection(connectionId: string, signal: SignalName, input?: object): Promise<void>;
  /** Makes the workflow of a connection read its state from Postgres, and starts it if it does not run. */
  wakeConnection(connectionId: string): Promise<void>;
  /** Starts the workflow of a delivery; one that runs already goes on. `isAnew` for one that a person had sent again. */
  startDelivery(delivery: { id: string; isAnew: boolean; summary: string }): Promise<void>;
  /** Has budgets judged and forecasts made, soon. */
  assess(): Promise<void>;
  /** Resolves when Temporal answers. */
  check(): Promise<void>;
}

/** Temporal is down or slow, or refuses this client. `reason` is for the log. */
export class TemporalUnavailableError extends Error {
  override readonly name = 'TemporalUnavailableError';
  constructor(readonly reason: string) {
    super('Temporal does not answer');
  }
}
