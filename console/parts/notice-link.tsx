import type { Schema } from '../client/client.ts';
import { linkTo } from '../route.ts';

/** Leads from a notice to what it is about: its connection or its budget. */
export function NoticeLink({ notice: { connection_id: connection, data } }: { notice: Schema<'Notice'> }) {
  if (connection !== null) return <a href={linkTo(['connections', connection])}>Open the connection</a>;
  const budget = memberOf(memberOf(data, 'budget'), 'id');
  return typeof budget === 'string' ? <a href={linkTo(['budgets', budget])}>Open the budget</a> : null;
}

/** The data of a notice depends on its kind, and the document leaves it open. */
function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined;
}
