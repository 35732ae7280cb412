import { useMemo, useState } from 'preact/hooks';
import { Card } from '../../parts/card.tsx';
import { ApiError, type Reply } from '../../client/client.ts';
import { useList } from '../../client/use-list.ts';
import { useReply } from '../../client/use-reply.ts';
import { instant, longMonth } from '../../format/days.ts';
import { Waiting } from '../../parts/await.tsx';
import { Note } from '../../parts/messages.tsx';
import type { ListedMonth, PartProps } from '../chargeback.tsx';
import { EMPTY, type Draft } from './draft.ts';
import { Editor } from './editor.tsx';
import { useEditorFacts, type EditorFacts } from './facts.ts';
import { nextMonth, placeOf } from './place.ts';
import { PoolItem } from './pool-item.tsx';
import { readDraft } from './read-draft.ts';
import { RuleItem } from './rule-item.tsx';
import { Versions } from './versions.tsx';

type Allocation = Reply<'/v1/allocation'>;

/** The rules in force in a month: an admin edits them where the month is open, everybody else reads them. */
export function RulesPage({ month, months, query, isAdmin }: PartProps) {
  const { data, error, reload } = useReply('/v1/allocation', { query: { month } });
  const versions = useList('/v1/allocation/versions', { query: { limit: 100 } });
  const [saved, setSaved] = useState<Allocation | null>(null);
  const facts = useEditorFacts(month);
  const isNone = error instanceof ApiError && error.problem.status === 404;
  const stored = useMemo(() => (data === null ? EMPTY : readDraft(data)), [data]);
  if (data === null && !isNone) {
    return <Waiting of={{ error, reload }} what="the rules" />;
  }
  const open = firstOpen(months);
  const isClosed = months.some((each) => each.month === month && each.state === 'closed');
  const canEdit = isAdmin && month >= open;
  return (
    <>
      {saved !== null && <Saved of={saved} month={month} />}
      <InForce month={month} allocation={data} />
      {!canEdit && isAdmin && (
        <Note
          title={
            isClosed
              ? `${longMonth(month)} is closed, so its rules stay as they are.`
              : 'A later month is closed, so these rules stay as they are.'
          }
        >
          <a href={placeOf(open, 'rules')}>{`Change the rules from ${longMonth(open)} on`}</a>
        </Note>
      )}
      {canEdit ? (
        <Editor
          {...{ month, stored, facts, query }}
          version={data?.version ?? null}
          firstMonth={open}
          versions={versions.rows ?? []}
          onSaved={(made) => {
            setSaved(made);
            versions.reload();
            reload();
          }}
        />
      ) : (
        <ReadOnly draft={stored} facts={facts} />
      )}
      <Versions list={versions} />
    </>
  );
}

/** The first month whose rules can still change: the one after the last closed one. */
function firstOpen(months: readonly ListedMonth[]): string {
  const closed = months.find(({ state }) => state === 'closed');
  return closed === undefined ? (months.at(-1)?.month ?? '') : nextMonth(closed.month);
}

function InForce({ month, allocation }: { month: string; allocation: Allocation | null }) {
  if (allocation === null) {
    return <p class="muted">{`No rules are in force in ${longMonth(month)}: all of it belongs to nobody.`}</p>;
  }
  const { version, from, stored_by: by, stored_at: at } = allocation;
  return (
    <p class="muted">
      {`In force in ${longMonth(month)}: version ${version}, from ${longMonth(from)} on. Stored by ${by} on ${instant(at)}.`}
    </p>
  );
}

function Saved({ of, month }: { of: Allocation; month: string }) {
  return (
    <Note tone="good" title={`Saved as version ${of.version}, in force from ${longMonth(of.from)} on.`} role="status">
      <a href={of.from === month ? placeOf(month) : placeOf(of.from, 'rules')}>
        {of.from === month ? `See ${longMonth(month)} by these rules` : `See the rules of ${longMonth(of.from)}`}
      </a>
    </Note>
  );
}

function ReadOnly({ draft, facts }: { draft: Draft; facts: EditorFacts }) {
  if (draft.rules.length === 0) return null;
  const fixed = { remarks: [], isOpen: false, actions: null, onChange: () => undefined };
  return (
    <Card class="stack" title="The rules, in their order">
      <p class="muted small">The first rule that fits a line decides where it goes.</p>
      <ol class="items">
        {draft.rules.map((rule, index) => (
          <RuleItem key={rule.key} {...{ rule, index, draft, facts }} {...fixed} />
        ))}
      </ol>
      {draft.pools.length > 0 && (
        <>
          <h2>The pools</h2>
          <ol class="items">
            {draft.pools.map((pool, index) => (
              <PoolItem key={pool.key} {...{ pool, index, draft }} {...fixed} />
            ))}
          </ol>
        </>
      )}
    </Card>
  );
}
