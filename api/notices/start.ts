import type { DeliveryInfo } from '../../db/notices/lists.ts';
import type { Deps } from '../http/endpoint.ts';
import { tellOrDefer } from '../temporal.ts';

/** Starts the workflow of a delivery that is stored already. While Temporal is down, a worker starts it later. */
export async function startDelivery(
  { log, temporal }: Deps,
  { id, channel, notice }: DeliveryInfo,
  isAnew: boolean,
): Promise<void> {
  const summary = `${channel.name}: ${notice.content.subject}`;
  await tellOrDefer(log, { delivery: id }, () => temporal.startDelivery({ id, isAnew, summary }));
}
