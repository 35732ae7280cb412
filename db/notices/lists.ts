import { and, asc, desc, eq, inArray, isNotNull, isNull, lt } from 'drizzle-orm';
import type { Json } from '../../domain/lines.ts';
import type { NoticeContent } from '../../domain/notices/content.ts';
import type { ChannelKind, DeliveryState } from '../../domain/notices/deliveries.ts';
import type { NoticeKind, NoticeState } from '../../domain/notices/kinds.ts';
import type { Db } from '../core/database.ts';
import { channels, deliveries, notices, type Occasion } from './tables.ts';

/** A notice as it is listed. */
export interface NoticeInfo {
  readonly id: string;
  readonly no: number;
  readonly kind: NoticeKind;
  readonly connectionId: string | null;
  readonly content: NoticeContent;
  readonly data: Json;
  readonly openedAt: Date;
  readonly closedAt: Date | null;
  readonly withdrawnAt: Date | null;
  readonly withdrawnReason: string | null;
}

/** Notices, newest first; `after` is the `no` of the last one seen. */
export async function listNotices(
  db: Db,
  page: {
    kind: NoticeKind | null;
    state: NoticeState | null;
    connectionId: string | null;
    after: number | null;
    limit: number;
  },
): Promise<NoticeInfo[]> {
  return db
    .select({
      id: notices.id,
      no: notices.no,
      kind: notices.kind,
      connectionId: notices.connectionId,
      content: notices.content,
      data: notices.data,
      openedAt: notices.openedAt,
      closedAt: notices.closedAt,
      withdrawnAt: notices.withdrawnAt,
      withdrawnReason: notices.withdrawnReason,
    })
    .from(notices)
    .where(
      and(
        page.kind === null ? undefined : eq(notices.kind, page.kind),
        page.state === null ? undefined : IN_STATE[page.state],
        page.connectionId === null ? undefined : eq(notices.connectionId, page.connectionId),
        page.after === null ? undefined : lt(notices.no, page.after),
      ),
    )
    .orderBy(desc(notices.no))
    .limit(page.limit);
}

const IN_STATE = {
  open: and(isNull(notices.closedAt), isNull(notices.withdrawnAt)),
  closed: isNotNull(notices.closedAt),
  withdrawn: isNotNull(notices.withdrawnAt),
};

/** A delivery as it is listed. */
export interface DeliveryInfo {
  readonly id: string;
  readonly no: number;
  readonly notice: { readonly id: string; readonly kind: NoticeKind; readonly content: NoticeContent };
  readonly occasion: Occasion;
  readonly channel: { readonly id: string; readonly name: string; readonly kind: ChannelKind };
  readonly address: string;
  readonly state: DeliveryState;
  readonly tries: number;
  readonly words: string | null;
  readonly createdAt: Date;
  readonly triedAt: Date | null;
  readonly nextTryAt: Date | null;
  readonly endedAt: Date | null;
}

/** Which deliveries are asked for. */
export interface DeliveryFilter {
  readonly state?: DeliveryState | undefined;
  readonly noticeId?: string | undefined;
  readonly channelId?: string | undefined;
}

/** Deliveries, newest first; `after` is the `no` of the last one seen. */
export async function listDeliveries(
  db: Db,
  filter: DeliveryFilter,
  page: { after: number | null; limit: number },
): Promise<DeliveryInfo[]> {
  return selectDeliveries(db)
    .where(
      and(
        filter.state === undefined ? undefined : eq(deliveries.state, filter.state),
        filter.noticeId === undefined ? undefined : eq(deliveries.noticeId, filter.noticeId),
        filter.channelId === undefined ? undefined : eq(deliveries.channelId, filter.channelId),
        page.after === null ? undefined : lt(deliveries.no, page.after),
      ),
    )
    .orderBy(desc(deliveries.no))
    .limit(page.limit);
}

/** The deliveries of some notices, oldest first. */
export async function deliveriesOf(db: Db, noticeIds: readonly string[]): Promise<DeliveryInfo[]> {
  if (noticeIds.length === 0) return [];
  return selectDeliveries(db)
    .where(inArray(deliveries.noticeId, [...noticeIds]))
    .orderBy(asc(deliveries.no));
}

/** A delivery; null if it does not exist. */
export async function findDelivery(db: Db, id: string): Promise<DeliveryInfo | null> {
  const [found] = await selectDeliveries(db).where(eq(deliveries.id, id));
  return found ?? null;
}

const selectDeliveries = (db: Db) =>
  db
    .select({
      id: deliveries.id,
      no: deliveries.no,
      notice: { id: notices.id, kind: notices.kind, content: notices.content },
      occasion: deliveries.occasion,
      channel: { id: channels.id, name: channels.name, kind: channels.kind },
      address: deliveries.address,
      state: deliveries.state,
      tries: deliveries.tries,
      words: deliveries.words,
      createdAt: deliveries.createdAt,
      triedAt: deliveries.triedAt,
      nextTryAt: deliveries.nextTryAt,
      endedAt: deliveries.endedAt,
    })
    .from(deliveries)
    .innerJoin(channels, eq(channels.id, deliveries.channelId))
    .innerJoin(notices, eq(notices.id, deliveries.noticeId));
