import type { Schema } from '../../client/client.ts';
import { useList } from '../../client/use-list.ts';
import { distance, instant, range } from '../../format/days.ts';
import { Badge } from '../../parts/messages.tsx';
import { counted, remedyOf } from '../../parts/standing.ts';
import type { ListProps } from './lists.tsx';
import { ListFrame } from '../../parts/list-frame.tsx';
import { WorkflowLink } from './workflow-link.tsx';

type Sync = Schema<'Sync'>;

const PAGE = 20;
const KINDS: Readonly<Record<Sync['kind'], string>> = {
  backfill: 'History: days were missing',
  daily: 'Daily: it was due',
  catch_up: 'Catching up: older days were unfinished',
  manual: 'Somebody asked',
};
const STATES: Readonly<Record<Sync['state'], { readonly words: string; readonly tone: 'plain' | 'good' | 'bad' }>> = {
  running: { words: 'Running', tone: 'plain' },
  succeeded: { words: 'Succeeded', tone: 'good' },
  failed: { words: 'Failed', tone: 'bad' },
};

/** The syncs, newest first: which days they read, why, and what they met. */
export function SyncList({ id, everyMs }: ListProps) {
  const list = useList('/v1/connections/{id}/syncs', {
    ids: { id },
    query: { limit: PAGE },
    everyMs,
  });
  return (
    <ListFrame
      list={list}
      what="syncs"
      none="No sync is stored."
      heads={['Sync', 'State', 'Days', 'When', 'Read', 'In Temporal']}
      row={(sync: Sync) => <Row key={sync.run_id} sync={sync} />}
    />
  );
}

function Row({ sync }: { sync: Sync }) {
  const { n, kind, state, from, to, started_at, duration_ms, error, waiting } = sync;
  return (
    <tr>
      <th scope="row">
        {`Sync ${n}`}
        <div class="faint small">{KINDS[kind]}</div>
      </th>
      <td>
        <Badge tone={STATES[state].tone}>{STATES[state].words}</Badge>
        {error !== null && (
          <>
            <p class="small">{`${error.message} ${error.detail === undefined ? '' : `(${error.detail})`}`}</p>
            <p class="small muted">{remedyOf(error)}</p>
          </>
        )}
        {waiting !== null && <p class="small">{waitingWords(waiting)}</p>}
      </td>
      <td>{range(from, to)}</td>
      <td>
        <span title={distance(started_at)}>{instant(started_at)}</span>
        <div class="faint small">{duration_ms === null ? 'not ended' : `took ${lasting(duration_ms)}`}</div>
      </td>
      <td>
        {`${counted(sync.days_read, 'day')}, ${sync.days_changed} changed`}
        <div class="faint small">{`${counted(sync.requests, 'request')}, ${size(sync.bytes)}`}</div>
      </td>
      <td>
        <WorkflowLink of={sync} words={`Sync ${n}`} />
      </td>
    </tr>
  );
}

function waitingWords({ attempt, error, next_try_at }: NonNullable<Sync['waiting']>): string {
  const next = next_try_at === null ? '' : ` The next one begins ${distance(next_try_at)}.`;
  return `Attempt ${attempt} failed. ${error.message}${next}`;
}

/** How long something took: `0.8 s`, `12 s`, `3 min`. */
function lasting(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}

/** Bytes for people: `1.8 MB`. */
function size(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
