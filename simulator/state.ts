import type { Paging } from './admin-api/reports.ts';
import type { Spelling } from './admin-api/spelling.ts';
import type { Clock } from './clock.ts';
import type { Conduct } from './conduct.ts';
import type { Faults } from './faults/faults.ts';
import type { Organizations } from './organization/organizations.ts';
import type { Requests } from './requests.ts';

/** Everything that a running simulator holds. Its control surface changes it, and its Admin API answers from it. */
export interface State {
  readonly clock: Clock;
  readonly organizations: Organizations;
  readonly faults: Faults;
  readonly conduct: Conduct;
  readonly requests: Requests;
  paging: Paging;
  spelling: Spelling;
  /** How long each reply of the Admin API is delayed. */
  latencyMs: number;
}
