import type { Transport } from '../anthropic/transport.ts';
import type { Db } from '../db/core/database.ts';
import type { KeyRing } from '../db/keys/key-ring.ts';
import type { FindAnomalies } from '../domain/anomalies/settled.ts';
import type { Door } from '../notify/door.ts';
import type { PageReader } from '../pages/page-reader.ts';

/** What activities need. The worker makes it once. */
export interface Dependencies {
  readonly db: Db;
  readonly ring: KeyRing;
  readonly transport: Transport;
  readonly pages: PageReader;
  readonly door: Door;
  readonly findAnomalies: FindAnomalies;
  /** Where browsers reach the console and people their links, as an origin. */
  readonly publicUrl: string;
  readonly syncHourUtc: number;
  readonly restatementDays: number;
  /** The search attributes of this product that the Temporal server has at this moment. */
  readonly registeredAttributes: () => Promise<readonly string[]>;
}
