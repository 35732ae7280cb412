import { ask, type Reply } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { useDraft } from '../../client/use-draft.ts';
import { faultsAt, faultsOf, FormFailure, Says, sentencesAt, useFirstFault, type Faults } from '../../parts/field.tsx';
import { FormButtons } from '../../parts/form-buttons.tsx';
import { Form } from '../../parts/form.tsx';
import { Radios, SelectField, TextField } from '../../parts/inputs.tsx';
import { ChannelTicks } from '../alerts/channel-ticks.tsx';
import { FilterChips } from '../explore/filter-chips.tsx';
import { BUDGET_PLACES, budgetDrafts, replayOf, type BudgetDraft } from './draft.ts';
import { Replayed } from './replayed.tsx';
import { ThresholdFields } from './threshold-fields.tsx';
import { PERIODS } from './words.ts';
import { chosenOf, keysOf } from '../../format/keys.ts';
import { useState } from 'preact/hooks';

/** What each part of the form gets. */
export interface PartProps {
  readonly draft: BudgetDraft;
  readonly faults: Faults;
  readonly onChange: (part: Partial<BudgetDraft>) => void;
}

/** The form of a budget. Before it is stored, it can say what it would have told. */
export function BudgetForm(props: {
  /** Tells the forms of several budgets apart. */
  form: string;
  start: BudgetDraft;
  /** The word on the button. */
  verb: string;
  send: (draft: BudgetDraft) => Promise<void>;
  onGiveUp: () => void;
}) {
  const { form, start, verb, send, onGiveUp } = props;
  const { draft, change, forget } = useDraft(budgetDrafts, form, start);
  const [told, setTold] = useState<Reply<'/v1/budgets/replay', 'post'> | null>(null);
  const { run, isBusy, error } = useAction(async (isReplay: boolean) => {
    setTold(null);
    if (isReplay) {
      setTold(await ask('post', '/v1/budgets/replay', { body: replayOf(draft) }));
      return;
    }
    await send(draft);
    forget();
  });
  const giveUp = (): void => {
    forget();
    onGiveUp();
  };
  const box = useFirstFault<HTMLDivElement>(error);
  const part: PartProps = { draft, faults: faultsOf(error), onChange: change };
  return (
    <div ref={box} class="card stack">
      <Form
        id="budget"
        onSend={() => {
          run(false);
        }}
      >
        <Basics {...part} />
      </Form>
      {/* Its editors are forms of their own, which no form may contain. */}
      <Scope {...part} />
      <ThresholdFields {...part} />
      <Channels {...part} />
      {error !== null && <FormFailure error={error} places={BUDGET_PLACES} />}
      <FormButtons form="budget" {...{ verb, isBusy }} onGiveUp={giveUp}>
        <button
          type="button"
          disabled={isBusy}
          onClick={() => {
            run(true);
          }}
        >
          What would it have told?
        </button>
      </FormButtons>
      <div role="status">{told !== null && <Replayed told={told} />}</div>
    </div>
  );
}

function Basics(props: PartProps) {
  const { draft, faults, onChange } = props;
  return (
    <>
      <TextField
        id="budget-name"
        label="Name"
        faults={sentencesAt(faults, 'name')}
        value={draft.name}
        onText={(name) => {
          onChange({ name });
        }}
      />
      <TextField
        id="budget-amount"
        label="Amount in US dollars"
        hint="What may be spent in each period."
        faults={sentencesAt(faults, 'amount')}
        value={draft.amount}
        input={{ inputmode: 'decimal' }}
        onText={(amount) => {
          onChange({ amount });
        }}
      />
      <Period {...props} />
    </>
  );
}

function Channels({ draft: { channels }, faults, onChange }: PartProps) {
  return (
    <ChannelTicks
      legend="Whom it tells; tick none for every channel that takes budgets"
      {...{ channels, faults }}
      onChange={(chosen) => {
        onChange({ channels: chosen });
      }}
    />
  );
}

function Period({ draft, faults, onChange }: PartProps) {
  const { period } = draft;
  return (
    <>
      <SelectField
        id="budget-period"
        label="Period"
        faults={sentencesAt(faults, 'period')}
        value={period}
        options={[...keysOf(PERIODS).map((each) => [each, PERIODS[each]] as const), ['days', 'certain days, once']]}
        onChoose={(value) => {
          onChange({ period: chosenOf(PERIODS, value) ?? 'days' });
        }}
      />
      {period === 'days' && (
        <div class="fields">
          {(['from', 'to'] as const).map((end) => (
            <TextField
              key={end}
              id={`budget-${end}`}
              label={end === 'from' ? 'First day' : 'Last day'}
              faults={[]}
              value={draft[end]}
              input={{ type: 'date' }}
              onText={(day) => {
                onChange({ [end]: day });
              }}
            />
          ))}
        </div>
      )}
    </>
  );
}

const COUNTS = [
  ['filters', 'All costs, or those that filters let through'],
  ['center', 'What a cost center is charged'],
] as const;

function Scope({ draft, faults, onChange }: PartProps) {
  const said = faultsAt(faults, 'filters').map(({ at, message }) => `${at.split('.').slice(1).join('.')} ${message}.`);
  return (
    <fieldset class="group form" aria-describedby="budget-scope-says">
      <legend class="label">What counts</legend>
      <Radios
        name="counts"
        value={draft.counts}
        options={COUNTS}
        onChoose={(counts) => {
          onChange({ counts });
        }}
      />
      {draft.counts === 'filters' ? (
        <FilterChips
          filters={draft.filters}
          onChange={(filters) => {
            onChange({ filters });
          }}
        />
      ) : (
        <TextField
          id="budget-center"
          label="Cost center"
          hint="As in the rules of Chargeback. Adjustments do not count."
          faults={sentencesAt(faults, 'cost_center')}
          value={draft.center}
          onText={(center) => {
            onChange({ center });
          }}
        />
      )}
      <Says id="budget-scope" faults={said} />
    </fieldset>
  );
}
