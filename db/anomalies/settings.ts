import type { Sensitivity } from '../../domain/anomalies/incident.ts';
import type { Db } from '../core/database.ts';
import { addDeploymentEvent } from '../deployment/events.ts';
import { anomalySettings } from './tables.ts';

/** How much it takes to open an incident; `medium` until somebody says otherwise. */
export async function readSensitivity(db: Db): Promise<Sensitivity> {
  const [found] = await db.select({ sensitivity: anomalySettings.sensitivity }).from(anomalySettings);
  return found?.sensitivity ?? 'medium';
}

/** Sets how much it takes to open an incident, for every connection. The same again changes nothing. */
export async function setSensitivity(db: Db, sensitivity: Sensitivity, actor: string): Promise<void> {
  await db.transaction(async (tx) => {
    const before = await readSensitivity(tx);
    if (before === sensitivity) return;
    await tx
      .insert(anomalySettings)
      .values({ sensitivity })
      .onConflictDoUpdate({ target: anomalySettings.isOnly, set: { sensitivity, isAssessed: false } });
    const message = `The sensitivity of anomalies is ${sensitivity} instead of ${before}.`;
    await addDeploymentEvent(tx, { type: 'sensitivity_set', actor, message });
  });
}
