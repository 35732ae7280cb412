import { useState } from 'preact/hooks';
import { useAction } from '../../client/use-action.ts';
import { useDraft } from '../../client/use-draft.ts';
import { useReply } from '../../client/use-reply.ts';
import {
  Field,
  faultsAt,
  faultsOf,
  FormFailure,
  Says,
  sentencesAt,
  useFirstFault,
  type Faults,
} from '../../parts/field.tsx';
import { keysOf, chosenOf } from '../../format/keys.ts';
import { EVERY, HOURS, reportDrafts, REPORT_PLACES, type ReportDraft } from './report-draft.ts';
import { ReportQuery } from './report-query.tsx';
import { Tick } from '../../parts/tick.tsx';

interface PartProps {
  readonly draft: ReportDraft;
  readonly faults: Faults;
  readonly onChange: (part: Partial<ReportDraft>) => void;
}

/** The form of a report: its name, when it is told, what it is about, and to whom it goes. */
export function ReportForm(props: {
  /** Tells the forms of several reports apart. */
  form: string;
  start: ReportDraft;
  /** The words on the button. */
  verb: string;
  send: (draft: ReportDraft) => Promise<void>;
  onGiveUp: () => void;
}) {
  const { form: formName, start, verb, send, onGiveUp } = props;
  const { draft, change, forget } = useDraft(reportDrafts, formName, start);
  const { run, isBusy, error } = useAction(async () => {
    await send(draft);
    forget();
  });
  const form = useFirstFault(error);
  const part: PartProps = { draft, faults: faultsOf(error), onChange: change };
  const submit = (event: Event): void => {
    event.preventDefault();
    run();
  };
  const giveUp = (): void => {
    forget();
    onGiveUp();
  };
  return (
    <>
      <form ref={form} id="report" class="form" noValidate onSubmit={submit}>
        <NameField {...part} />
        <When {...part} />
      </form>
      {/* Its editors are forms of their own, which no form may contain. */}
      <ReportQuery {...part} />
      <ChannelFields {...part} />
      {error !== null && <FormFailure error={error} places={REPORT_PLACES} />}
      <div class="row">
        <button type="submit" form="report" class="primary" disabled={isBusy}>
          {verb}
        </button>
        <button type="button" onClick={giveUp}>
          Cancel
        </button>
      </div>
    </>
  );
}

function NameField({ draft, faults, onChange }: PartProps) {
  return (
    <Field
      id="report-name"
      label="Name"
      hint="The subject of each report begins with it."
      faults={sentencesAt(faults, 'name')}
    >
      {(attributes) => (
        <input
          {...attributes}
          autocomplete="off"
          value={draft.name}
          onInput={(event) => {
            onChange({ name: event.currentTarget.value });
          }}
        />
      )}
    </Field>
  );
}

function When({ draft, faults, onChange }: PartProps) {
  return (
    <>
      <Field
        id="report-every"
        label="When"
        hint={`It tells ${EVERY[draft.every].tells}.`}
        faults={sentencesAt(faults, 'every')}
      >
        {(attributes) => (
          <select
            {...attributes}
            value={draft.every}
            onChange={(event) => {
              onChange({ every: chosenOf(EVERY, event.currentTarget.value) ?? draft.every });
            }}
          >
            {keysOf(EVERY).map((every) => (
              <option key={every} value={every}>
                {EVERY[every].name}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field id="report-hour" label="At" faults={sentencesAt(faults, 'hour')}>
        {(attributes) => (
          <select
            {...attributes}
            value={String(draft.hour)}
            onChange={(event) => {
              onChange({ hour: Number(event.currentTarget.value) });
            }}
          >
            {HOURS.map((hour) => (
              <option key={hour} value={hour}>{`${String(hour).padStart(2, '0')}:00`}</option>
            ))}
          </select>
        )}
      </Field>
      <TimeZone {...{ draft, faults, onChange }} />
    </>
  );
}

function TimeZone({ draft: { timeZone }, faults, onChange }: PartProps) {
  const [known] = useState(() => [...new Set(['UTC', ...Intl.supportedValuesOf('timeZone')])]);
  return (
    <Field
      id="report-zone"
      label="In the time zone"
      hint="Its calendar decides which day, week or month is over. The days themselves are days of UTC."
      faults={sentencesAt(faults, 'time_zone')}
    >
      {(attributes) => (
        <select
          {...attributes}
          value={timeZone}
          onChange={(event) => {
            onChange({ timeZone: event.currentTarget.value });
          }}
        >
          {!known.includes(timeZone) && <option value={timeZone}>{timeZone}</option>}
          {known.map((zone) => (
            <option key={zone} value={zone}>
              {zone}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function ChannelFields({ draft: { channels }, faults, onChange }: PartProps) {
  const { data } = useReply('/v1/channels', { query: { limit: 100 } });
  const known = data?.data ?? [];
  const gone = (channels ?? []).filter((id) => !known.some((each) => each.id === id));
  const all = [...known, ...(data === null ? [] : gone.map((id) => ({ id, name: 'A deleted channel' })))];
  const said = faultsAt(faults, 'channels').map(({ message }) => `The choice ${message}.`);
  return (
    <fieldset class="group" id="report-channels" aria-describedby="report-channels-says">
      <legend class="label">To whom it goes</legend>
      <div class="radios">
        {[null, []].map((choice) => (
          <label key={choice === null ? 'all' : 'some'}>
            <input
              type="radio"
              name="channels"
              checked={(channels === null) === (choice === null)}
              onChange={() => {
                onChange({ channels: choice });
              }}
            />
            {choice === null ? 'Every channel that takes reports' : 'Only these channels, whatever they take'}
          </label>
        ))}
      </div>
      {channels !== null &&
        all.map(({ id, name }) => (
          <Tick
            key={id}
            name={name}
            says=""
            isTicked={channels.includes(id)}
            onTick={(isTicked) => {
              onChange({ channels: isTicked ? [...channels, id] : channels.filter((each) => each !== id) });
            }}
          />
        ))}
      <Says
        id="report-channels"
        faults={said}
        hint={
          data?.data.length === 0
            ? 'There is no channel yet: without one, reports stand among the notices only.'
            : undefined
        }
      />
    </fieldset>
  );
}
