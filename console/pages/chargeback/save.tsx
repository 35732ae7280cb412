import { useState } from 'preact/hooks';
import { ask, type Schema } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { longMonth } from '../../format/days.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { documentOf, lackOf, type Draft } from './draft.ts';
import { nextMonth } from './place.ts';
import { Select } from '../../parts/select.tsx';

/** How many months ahead rules can be written here. */
const AHEAD = 6;

interface SaveProps {
  readonly month: string;
  readonly draft: Draft;
  readonly isChanged: boolean;
  readonly firstMonth: string;
  readonly onDiscard: () => void;
  readonly versions: readonly Schema<'AllocationVersion'>[];
  readonly onSaved: (made: Schema<'Allocation'>) => void;
}

/** Stores the rules from a month on. The month is all that it asks for. */
export function Save({ month, draft, isChanged, firstMonth, versions, onDiscard, onSaved }: SaveProps) {
  const [from, setFrom] = useState(month);
  const { run, isBusy, error } = useAction(async () => {
    onSaved(await ask('put', '/v1/allocation', { body: { from, ...documentOf(draft) } }));
  });
  const unfinished = draft.rules.findIndex((rule) => lackOf(rule) !== null);
  const lack = draft.rules.map(lackOf)[unfinished] ?? null;
  const later = versions.filter((each) => each.in_force && each.from > from).at(-1);
  return (
    <form
      class="stack save"
      onSubmit={(event) => {
        event.preventDefault();
        if (lack === null) run();
      }}
    >
      <div class="row">
        <label class="inline">
          In force from{' '}
          <Select
            value={from}
            options={monthsFrom(firstMonth, month).map((each) => [each, longMonth(each)])}
            onChoose={setFrom}
          />
        </label>
        <button class="primary" type="submit" disabled={isBusy || lack !== null || draft.rules.length === 0}>
          Save the rules
        </button>
        {isChanged && (
          <button type="button" onClick={onDiscard}>
            Discard changes
          </button>
        )}
      </div>
      <p class="muted small">
        {lack !== null
          ? `Rule ${unfinished + 1} ${lack}.`
          : later === undefined
            ? 'Earlier months keep the rules that they have.'
            : `Earlier months keep the rules that they have, and from ${longMonth(later.from)} on version ${later.version} stays in force.`}
      </p>
      {error !== null && <ActionFailure error={error} hasForm />}
    </form>
  );
}

function monthsFrom(first: string, month: string): string[] {
  const months = [first];
  for (let next = first; months.length < 240 && (next < month || months.indexOf(month) + AHEAD >= months.length);) {
    next = nextMonth(next);
    months.push(next);
  }
  return months;
}
