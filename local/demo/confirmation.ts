import { z } from 'zod';
import { HttpError, type JsonClient } from '../http.ts';
import { findMail, type KeptMail } from '../mail/store.ts';
import { eventually } from '../wait.ts';

const NAME = 'Demo mail';
const ADDRESS = 'costs@example.com';
const WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 200;

const created = z.object({ id: z.string() });
const notices = z.object({ data: z.array(z.object({ id: z.string() })) });
const deliveries = z.object({
  data: z.array(z.object({ id: z.string(), state: z.string(), words: z.string().nullable() })),
});

/** A mail that the demo waits for, or why there is none, as a sentence. */
export type AwaitedMail = { readonly mail: KeptMail } | { readonly missing: string };

/** Makes the channel that takes every notice of the demo, unless an earlier run made it. */
export async function makeChannel(api: JsonClient): Promise<void> {
  try {
    await api.post('/v1/channels', { name: NAME, kind: 'email', to: [ADDRESS] }, created);
  } catch (error) {
    if (!(error instanceof HttpError) || error.status !== 409) throw error;
  }
}

/** Waits until the mail sink has the mail that says that a connection is connected, or half a minute. */
export function waitForConfirmation(
  api: JsonClient,
  { mailFolder, connectionId }: { mailFolder: string; connectionId: string },
): Promise<AwaitedMail> {
  return waitForMail(api, mailFolder, { kind: 'connected', connection_id: connectionId });
}

/** Waits until the mail sink has the mail of the newest notice that a query of `/v1/notices` finds, or half a minute. */
export async function waitForMail(
  api: JsonClient,
  mailFolder: string,
  query: Readonly<Record<string, string>>,
): Promise<AwaitedMail> {
  const seen: { mail: KeptMail | null; why: string } = { mail: null, why: 'nothing is told yet' };
  const look = async (): Promise<boolean> => {
    const delivery = await deliveryOf(api, query);
    if (delivery === null) return false;
    seen.mail = findMail(mailFolder, delivery.id);
    const { state, words } = delivery;
    seen.why = `its delivery is ${state}${words === null ? '' : ` (${words})`}`;
    // One that has ended changes no more: an earlier run told it, and its mail was deleted since.
    return seen.mail !== null || !['pending', 'sending'].includes(state);
  };
  await eventually(look, WITHIN_MS, LOOK_EVERY_MS);
  return seen.mail === null ? { missing: `there is none: ${seen.why}` } : { mail: seen.mail };
}

/** The newest delivery of the notice; null until the notice is written, which is when its deliveries are. */
async function deliveryOf(
  api: JsonClient,
  query: Readonly<Record<string, string>>,
): Promise<{ id: string; state: string; words: string | null } | null> {
  const [notice] = (await api.get('/v1/notices', { ...query }, notices)).data;
  if (notice === undefined) return null;
  const found = await api.get('/v1/deliveries', { notice_id: notice.id }, deliveries);
  return found.data[0] ?? { id: '', state: 'missing', words: 'no channel took it' };
}

/** The confirmation as rows of a table. */
export function confirmationRows(confirmation: AwaitedMail | null): [name: string, value: string][] {
  if (confirmation === null) return [];
  if ('missing' in confirmation) return [['Confirmation', confirmation.missing]];
  return [
    ['Confirmation', confirmation.mail.page],
    ['  as a mail', confirmation.mail.eml],
  ];
}
