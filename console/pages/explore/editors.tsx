import { useState } from 'preact/hooks';
import { daysBetween, today } from '../../format/days.ts';
import type { EditorProps } from './chips.tsx';
import { REPORTS, wordOf } from './dimensions.ts';
import { presets, withReport } from './query.ts';
import { COMPARE_WORDS, REPORT_WORDS } from './words.ts';

/** Chooses the report. */
export function ReportEditor({ query, onAsk }: EditorProps) {
  return (
    <div role="group" aria-label="Report" class="choices">
      {REPORTS.map((report) => (
        <button
          key={report}
          type="button"
          class="choice"
          aria-pressed={report === query.report}
          {...(report === query.report ? { 'data-first': true } : {})}
          onClick={() => {
            onAsk(withReport(query, report));
          }}
        >
          <b>{REPORT_WORDS[report].name}</b>
          <span class="muted">{REPORT_WORDS[report].answers}</span>
        </button>
      ))}
    </div>
  );
}

/** Chooses the days. */
export function RangeEditor({ query, onAsk }: EditorProps) {
  const [from, setFrom] = useState(query.from ?? '');
  const [to, setTo] = useState(query.to ?? '');
  const days = from !== '' && to !== '' ? daysBetween(from, to) : 0;
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        onAsk({ ...query, from, to });
      }}
    >
      <div class="row" role="group" aria-label="Days">
        {presets(today()).map((preset) => (
          <button
            key={preset.name}
            type="button"
            aria-pressed={preset.from === query.from && preset.to === query.to}
            onClick={() => {
              onAsk({ ...query, from: preset.from, to: preset.to });
            }}
          >
            {preset.name}
          </button>
        ))}
      </div>
      <div class="fields">
        <DateField name="From" value={from} onChange={setFrom} />
        <DateField name="Through" value={to} onChange={setTo} />
        <button class="primary" type="submit" disabled={days < 1}>
          Show
        </button>
      </div>
      <p class="hint" role="status">
        {days < 1
          ? 'The last day comes before the first.'
          : `${days} ${days === 1 ? 'day' : 'days'}, both included, in UTC.`}
      </p>
    </form>
  );
}

function DateField(props: { name: string; value: string; onChange: (day: string) => void }) {
  return (
    <label>
      {props.name}
      <input
        type="date"
        required
        value={props.value}
        onInput={(event) => {
          props.onChange(event.currentTarget.value);
        }}
      />
    </label>
  );
}

/** Chooses what to compare with. */
export function CompareEditor({ query, onAsk }: EditorProps) {
  const choices = query.report === 'changes' ? Object.keys(COMPARE_WORDS) : [null, ...Object.keys(COMPARE_WORDS)];
  return (
    <div role="group" aria-label="Compare with" class="choices">
      {choices.map((compare) => (
        <button
          key={compare}
          type="button"
          class="choice"
          aria-pressed={compare === query.compare}
          {...(compare === query.compare ? { 'data-first': true } : {})}
          onClick={() => {
            onAsk({ ...query, compare });
          }}
        >
          <b>{compare === null ? 'Nothing' : `With ${wordOf(COMPARE_WORDS, compare)}`}</b>
        </button>
      ))}
    </div>
  );
}
