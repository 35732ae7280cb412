import type { Schema } from '../../client/client.ts';

type Connection = Pick<Schema<'Connection'>, 'id' | 'name' | 'status' | 'covered_from' | 'backfill'>;

/**
 * The connections to look at for a day that is not certain. Of a day that some connections cover and others do not, those
 * that do not: then `lacking` is true.
 */
export function shownOn<Own extends Connection>(
  { day, state }: Pick<Schema<'UncertainDay'>, 'day' | 'state'>,
  connections: readonly Own[],
): { readonly lacking: boolean; readonly shown: readonly Own[] } {
  const live = connections.filter(({ status }) => status !== 'refused' && status !== 'disconnected');
  const later = state === 'uncovered' ? live.filter(({ backfill }) => day < backfill.from) : [];
  if (later.length > 0 && later.length < live.length) return { lacking: true, shown: later };
  // Of a disconnected one whose data were purged, there is nothing to look at.
  const ended = connections.filter(({ status, covered_from: from }) => status === 'disconnected' && from !== null);
  return { lacking: false, shown: [...live, ...ended] };
}
