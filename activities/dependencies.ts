import type { Transport } from '../anthropic/transport.ts';
import type { Db } from '../db/core/database.ts';
import type { KeyRing } from '../db/keys/key-ring.ts';

/** What activities work with. Made once by the worker. */
export interface Dependencies {
  readonly db: Db;
  readonly ring: KeyRing;
  readonly transport: Transport;
  readonly syncHourUtc: number;
  readonly restatementDays: number;
  /** Which search attributes of this product are registered on the server at this moment. */
  readonly registeredAttributes: () => Promise<readonly string[]>;
}
