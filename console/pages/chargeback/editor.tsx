import { useState } from 'preact/hooks';
import { Card } from '../../parts/card.tsx';
import type { Schema } from '../../client/client.ts';
import { longMonth } from '../../format/days.ts';
import { Note } from '../../parts/messages.tsx';
import type { Draft } from './draft.ts';
import type { EditorFacts } from './facts.ts';
import { JsonEditor } from './json-editor.tsx';
import { Lists } from './lists.tsx';
import { PreviewCard } from './preview-card.tsx';
import { Save } from './save.tsx';
import { useKept } from './use-kept.ts';
import { usePreview } from './use-preview.ts';

interface EditorProps {
  readonly month: string;
  /** The rules in force, and their version; null if there are none. */
  readonly stored: Draft;
  readonly version: number | null;
  readonly facts: EditorFacts;
  /** May name what a new rule begins with, or a pool to mend. */
  readonly query: URLSearchParams;
  /** The first month whose rules can still change. */
  readonly firstMonth: string;
  readonly versions: readonly Schema<'AllocationVersion'>[];
  readonly onSaved: (made: Schema<'Allocation'>) => void;
}

/** Edits the rules beside what they would change. */
export function Editor({ month, stored, version, facts, query, firstMonth, versions, onSaved }: EditorProps) {
  const { draft, isChanged, isOutdated, change, discard, round } = useKept(month, stored, version);
  const [asJson, setJson] = useState(false);
  const previewed = usePreview(month, draft, version);
  return (
    <div class="rules">
      <Card
        class="stack"
        title={`Rules for ${longMonth(month)}`}
        aside={
          <div class="tabs" role="group" aria-label="How to edit">
            {([false, true] as const).map((each) => (
              <button
                key={String(each)}
                type="button"
                aria-pressed={asJson === each}
                onClick={() => {
                  setJson(each);
                }}
              >
                {each ? 'JSON' : 'Form'}
              </button>
            ))}
          </div>
        }
      >
        {isOutdated && (
          <Note tone="warn" title="Somebody saved other rules since you began.">
            <p>The preview compares with theirs. Saving puts yours in their place.</p>
          </Note>
        )}
        {asJson ? (
          <JsonEditor key={round} draft={draft} onChange={change} />
        ) : (
          <Lists {...{ month, draft, facts, query }} remarks={previewed.remarks} onChange={change} />
        )}
      </Card>
      <PreviewCard month={month} previewed={previewed}>
        <Save
          {...{ month, draft, isChanged, firstMonth, versions }}
          onDiscard={discard}
          onSaved={(made) => {
            // Rules for later leave those of this month as they are.
            if (made.from !== month) discard();
            onSaved(made);
          }}
        />
      </PreviewCard>
    </div>
  );
}
