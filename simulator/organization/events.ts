import { z } from 'zod';
import { isDay, parseDay } from '../days.ts';
import type { Workspace } from './series.ts';

const day = z.string().refine(isDay, 'must be a day such as 2026-01-31');
/** Which use it is about: all of it, unless a workspace (its id or name) or a model (its id) is named. */
const where = { organization: z.string().optional(), workspace: z.string().optional(), model: z.string().optional() };

/** Something that happens to the use or the prices of an organization, so that its data has an anomaly with a known cause. */
export const eventSchema = z.discriminatedUnion('kind', [
  /** Use is multiplied on one day, or on so many. */
  z.strictObject({
    kind: z.literal('spike'),
    day,
    days: z.int().positive().default(1),
    factor: z.number().positive(),
    ...where,
  }),
  /** Use is multiplied from a day on. */
  z.strictObject({ kind: z.literal('shift'), day, factor: z.number().positive(), ...where }),
  /** Use grows by so many percent a day from a day on, until another one. */
  z.strictObject({
    kind: z.literal('drift'),
    day,
    until: day.optional(),
    percent: z.number().gt(-100).lt(100),
    ...where,
  }),
  /** There is no use before this day. */
  z.strictObject({ kind: z.literal('launch'), day, ...where }),
  /** Prices of tokens are multiplied from a day on. */
  z.strictObject({ kind: z.literal('price'), day, factor: z.number().positive(), ...where }),
]);

/** What {@link eventSchema} takes. */
export type EventInput = z.input<typeof eventSchema>;
/** An event of an organization. */
export type SpendEvent = z.output<typeof eventSchema>;

/** Whose use is asked about. */
interface Use {
  readonly workspaceId: string | null;
  readonly model: string;
}

/** An organization, as far as events are about it. */
interface Eventful {
  readonly events: readonly SpendEvent[];
  readonly workspaces: readonly Workspace[];
}

/** By what the use of a workspace and a model is multiplied on a day. 1 without events. */
export function useFactor(organization: Eventful, dayNumber: number, use: Use): number {
  let factor = 1;
  for (const event of organization.events) {
    if (event.kind !== 'price' && isAbout(organization, event, use)) factor *= useFactorOf(event, dayNumber);
  }
  return factor;
}

/** By what the prices of tokens are multiplied on a day, in millionths. */
export function priceMillionths(organization: Eventful, dayNumber: number, use: Use): bigint {
  let factor = 1;
  for (const event of organization.events) {
    const applies = event.kind === 'price' && dayNumber >= parseDay(event.day) && isAbout(organization, event, use);
    if (applies) factor *= event.factor;
  }
  return BigInt(Math.round(factor * 1_000_000));
}

function useFactorOf(event: Exclude<SpendEvent, { kind: 'price' }>, dayNumber: number): number {
  const since = dayNumber - parseDay(event.day);
  switch (event.kind) {
    case 'spike':
      return since >= 0 && since < event.days ? event.factor : 1;
    case 'shift':
      return since >= 0 ? event.factor : 1;
    case 'drift': {
      const longest = event.until === undefined ? since : Math.min(since, parseDay(event.until) - parseDay(event.day));
      return (1 + event.percent / 100) ** Math.max(0, longest + 1);
    }
    case 'launch':
      return since >= 0 ? 1 : 0;
  }
}

function isAbout({ workspaces }: Eventful, event: SpendEvent, { workspaceId, model }: Use): boolean {
  if (event.model !== undefined && event.model !== model) return false;
  if (event.workspace === undefined) return true;
  const found = workspaces.find(({ id, name }) => id === event.workspace || name === event.workspace);
  return found !== undefined && (found.isDefault ? workspaceId === null : workspaceId === found.id);
}
