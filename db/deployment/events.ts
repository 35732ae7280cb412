import { and, desc, eq, lt } from 'drizzle-orm';
import { EVENT_MESSAGE_LENGTH, type DeploymentEvent } from '../../domain/events.ts';
import type { Db } from '../core/database.ts';
import { deploymentEvents } from './tables.ts';

/**
 * Records what happened to the deployment. Belongs in the transaction of the change, so that there is neither without the
 * other. `message` is a sentence for people and holds no secret.
 */
export async function addDeploymentEvent(
  tx: Db,
  event: { type: DeploymentEvent; actor: string; message: string },
): Promise<void> {
  await tx.insert(deploymentEvents).values({ ...event, message: event.message.slice(0, EVENT_MESSAGE_LENGTH) });
}

/** What happened to the deployment, newest first; `after` is the id of the last event seen. */
export async function listDeploymentEvents(
  db: Db,
  page: { type: DeploymentEvent | null; after: number | null; limit: number },
): Promise<{ id: number; type: DeploymentEvent; actor: string; message: string; at: Date }[]> {
  return db
    .select()
    .from(deploymentEvents)
    .where(
      and(
        page.type === null ? undefined : eq(deploymentEvents.type, page.type),
        page.after === null ? undefined : lt(deploymentEvents.id, page.after),
      ),
    )
    .orderBy(desc(deploymentEvents.id))
    .limit(page.limit);
}
