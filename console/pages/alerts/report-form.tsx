import { useState } from 'preact/hooks';
import { useAction } from '../../client/use-action.ts';
import { useDraft } from '../../client/use-draft.ts';
import { chosenOf, keysOf } from '../../format/keys.ts';
import { faultsOf, FormFailure, sentencesAt, useFirstFault, type Faults } from '../../parts/field.tsx';
import { FormButtons } from '../../parts/form-buttons.tsx';
import { Form } from '../../parts/form.tsx';
import { Radios, SelectField, TextField } from '../../parts/inputs.tsx';
import { ChannelTicks } from './channel-ticks.tsx';
import { EVERY, HOURS, reportDrafts, REPORT_PLACES, type ReportDraft } from './report-draft.ts';
import { ReportQuery } from './report-query.tsx';

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
  const giveUp = (): void => {
    forget();
    onGiveUp();
  };
  return (
    <>
      <Form box={form} id="report" onSend={run}>
        <NameField {...part} />
        <When {...part} />
      </Form>
      {/* Its editors are forms of their own, which no form may contain. */}
      <ReportQuery {...part} />
      <ChannelFields {...part} />
      {error !== null && <FormFailure error={error} places={REPORT_PLACES} />}
      <FormButtons form="report" {...{ verb, isBusy }} onGiveUp={giveUp} />
    </>
  );
}

function NameField({ draft, faults, onChange }: PartProps) {
  return (
    <TextField
      id="report-name"
      label="Name"
      hint="The subject of each report begins with it."
      faults={sentencesAt(faults, 'name')}
      value={draft.name}
      onText={(name) => {
        onChange({ name });
      }}
    />
  );
}

function When({ draft, faults, onChange }: PartProps) {
  return (
    <>
      <SelectField
        id="report-every"
        label="When"
        hint={`It tells ${EVERY[draft.every].tells}.`}
        faults={sentencesAt(faults, 'every')}
        value={draft.every}
        options={keysOf(EVERY).map((every) => [every, EVERY[every].name])}
        onChoose={(every) => {
          onChange({ every: chosenOf(EVERY, every) ?? draft.every });
        }}
      />
      <SelectField
        id="report-hour"
        label="At"
        faults={sentencesAt(faults, 'hour')}
        value={String(draft.hour)}
        options={HOURS.map((hour) => [String(hour), `${String(hour).padStart(2, '0')}:00`])}
        onChoose={(hour) => {
          onChange({ hour: Number(hour) });
        }}
      />
      <TimeZone {...{ draft, faults, onChange }} />
    </>
  );
}

function TimeZone({ draft: { timeZone }, faults, onChange }: PartProps) {
  const [known] = useState(() => ['UTC', ...Intl.supportedValuesOf('timeZone')]);
  return (
    <SelectField
      id="report-zone"
      label="In the time zone"
      hint="Its calendar decides which day, week or month is over. The days themselves are days of UTC."
      faults={sentencesAt(faults, 'time_zone')}
      value={timeZone}
      options={[...new Set([...known, timeZone])].map((zone) => [zone, zone])}
      onChoose={(zone) => {
        onChange({ timeZone: zone });
      }}
    />
  );
}

const GOES = [
  ['all', 'Every channel that takes reports'],
  ['some', 'Only these channels, whatever they take'],
] as const;

function ChannelFields({ draft: { channels }, faults, onChange }: PartProps) {
  return (
    <>
      <fieldset class="group">
        <legend class="label">To whom it goes</legend>
        <Radios
          name="channels"
          value={channels === null ? 'all' : 'some'}
          options={GOES}
          onChoose={(choice) => {
            onChange({ channels: choice === 'all' ? null : [] });
          }}
        />
      </fieldset>
      {channels !== null && (
        <ChannelTicks
          legend="Which channels"
          {...{ channels, faults }}
          onChange={(chosen) => {
            onChange({ channels: chosen });
          }}
        />
      )}
    </>
  );
}
