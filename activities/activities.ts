import { createAssessActivities, type AssessActivities } from './assess.ts';
import { createConnectionActivities, type ConnectionActivities } from './connection.ts';
import { createDeliveryActivities, type DeliveryActivities } from './deliveries.ts';
import type { Dependencies } from './dependencies.ts';
import { createSyncActivities, type SyncActivities } from './sync.ts';

/** All activities: what workflows may ask of the outside world. */
export type Activities = ConnectionActivities & SyncActivities & DeliveryActivities & AssessActivities;

/** Makes the activities of a worker. */
export function createActivities(deps: Dependencies): Activities {
  return {
    ...createConnectionActivities(deps),
    ...createSyncActivities(deps),
    ...createDeliveryActivities(deps),
    ...createAssessActivities(deps),
  };
}
