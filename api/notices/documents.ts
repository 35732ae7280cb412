import type { z } from 'zod';
import type { DeliveryInfo, NoticeInfo } from '../../db/notices/lists.ts';
import { deliveryWorkflowId } from '../../workflows/messages.ts';
import type { delivery } from '../channels/schemas.ts';
import type { notice } from './schemas.ts';

/** A delivery as it is shown. */
export function deliveryDocument(info: DeliveryInfo): z.input<typeof delivery> {
  const { id, occasion, channel, address, state, tries, words } = info;
  const { id: noticeId, kind, content } = info.notice;
  return {
    id,
    notice: { id: noticeId, kind, subject: content.subject },
    occasion,
    channel,
    address: channel.kind === 'email' ? address : null,
    state,
    tries,
    words,
    created_at: info.createdAt.toISOString(),
    tried_at: info.triedAt?.toISOString() ?? null,
    next_try_at: info.nextTryAt?.toISOString() ?? null,
    ended_at: info.endedAt?.toISOString() ?? null,
    workflow_id: deliveryWorkflowId(id),
  };
}

/** A notice as it is shown, with how many of its deliveries are in which state. */
export function noticeDocument(info: NoticeInfo, deliveries: readonly DeliveryInfo[]): z.input<typeof notice> {
  const { id, kind, connectionId, content, data, openedAt, closedAt, withdrawnAt, withdrawnReason } = info;
  const own = deliveries.filter((one) => one.notice.id === id);
  const count = (...states: readonly DeliveryInfo['state'][]): number =>
    own.filter(({ state }) => states.includes(state)).length;
  return {
    id,
    kind,
    severity: content.severity,
    state: withdrawnAt !== null ? 'withdrawn' : closedAt !== null ? 'closed' : 'open',
    connection_id: connectionId,
    subject: content.subject,
    sentence: content.sentence,
    action: content.action,
    data,
    opened_at: openedAt.toISOString(),
    closed_at: closedAt?.toISOString() ?? null,
    withdrawn_at: withdrawnAt?.toISOString() ?? null,
    withdrawn_reason: withdrawnReason,
    deliveries: {
      sent: count('sent'),
      waiting: count('pending', 'sending'),
      attention: count('failed', 'unknown', 'held'),
    },
  };
}
