import { z } from 'zod';
import { loadConnectionState, type ConnectionState } from '../../db/connections/live.ts';
import { loadConnectionView } from '../../db/connections/views.ts';
import { isLive } from '../../domain/connection/statuses.ts';
import { dayOf, type Day } from '../../domain/days.ts';
import type { Deps } from '../http/endpoint.ts';
import { Problem } from '../http/problems.ts';
import { connectionDocument } from './documents.ts';
import type { connection } from './schemas.ts';

const uuid = z.guid();

/** An id of a path as Postgres stores it. Throws the `not_found` of an unknown id for a malformed one. */
export function storedId(id: string): string {
  if (!uuid.safeParse(id).success) throw new Problem('not_found');
  return id.toLowerCase();
}

/** Today in UTC, by the clock of the API. */
export function todayOf({ settings }: Deps): Day {
  return dayOf(settings.now());
}

/** The present document of a connection. Throws `not_found`. */
export async function shownConnection(deps: Deps, id: string): Promise<z.input<typeof connection>> {
  const view = await loadConnectionView(deps.db, storedId(id), todayOf(deps));
  if (view === null) throw new Problem('not_found');
  return connectionDocument(view, deps.settings);
}

/** The state of a connection. Throws `unknown` for an unknown or a malformed id. */
export async function findConnection(
  deps: Deps,
  givenId: string,
  unknown = new Problem('not_found'),
): Promise<ConnectionState & { id: string }> {
  if (!uuid.safeParse(givenId).success) throw unknown;
  const id = givenId.toLowerCase();
  const state = await loadConnectionState(deps.db, id);
  if (state === null) throw unknown;
  return { id, ...state };
}

/** The state of a connection that has not ended. Throws `not_found`, or `conflict` if it has ended. */
export async function findLiveConnection(deps: Deps, id: string): Promise<ConnectionState & { id: string }> {
  const state = await findConnection(deps, id);
  if (!isLive(state.status)) {
    throw new Problem('conflict', { detail: `The connection is ${state.status}, which is final.` });
  }
  return state;
}
