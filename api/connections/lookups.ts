import { z } from 'zod';
import type { connection } from '../http/schemas.ts';
import { loadConnectionState, type ConnectionState } from '../../db/connections/live.ts';
import { loadConnectionView } from '../../db/connections/views.ts';
import { dayOf, type Day } from '../../domain/days.ts';
import { isLive } from '../../domain/connection/statuses.ts';
import { connectionDocument } from './documents.ts';
import type { Deps } from '../http/endpoint.ts';
import { Problem } from '../http/problems.ts';

const uuid = z.guid();

/** An id in the form in which it is stored. An id that cannot be one is not found, as one that is none. */
export function knownForm(id: string): string {
  if (!uuid.safeParse(id).success) throw new Problem('not_found');
  return id.toLowerCase();
}

/** Today in UTC, by the clock of the API. */
export function todayOf({ settings }: Deps): Day {
  return dayOf(settings.now());
}

/** A connection as it stands now, as it is shown. */
export async function shownConnection(deps: Deps, id: string): Promise<z.input<typeof connection>> {
  const view = await loadConnectionView(deps.db, knownForm(id), todayOf(deps));
  if (view === null) throw new Problem('not_found');
  return connectionDocument(view, deps.settings);
}

/** Where a connection stands. */
export async function findConnection(deps: Deps, id: string): Promise<ConnectionState & { id: string }> {
  const known = knownForm(id);
  const standing = await loadConnectionState(deps.db, known);
  if (standing === null) throw new Problem('not_found');
  return { id: known, ...standing };
}

/** Where a connection stands that has not ended. */
export async function findLiveConnection(deps: Deps, id: string): Promise<ConnectionState & { id: string }> {
  const standing = await findConnection(deps, id);
  if (!isLive(standing.status)) {
    throw new Problem('conflict', { detail: `The connection is ${standing.status}, which is an end.` });
  }
  return standing;
}
