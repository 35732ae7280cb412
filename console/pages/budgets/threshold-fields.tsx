import { faultsAt, Says } from '../../parts/field.tsx';
import { Choice } from '../../parts/choice.tsx';
import type { ThresholdDraft } from './draft.ts';
import type { PartProps } from './form.tsx';

const MEASURES = [
  ['actual', 'what is spent reaches'],
  ['forecast', 'what is expected reaches'],
] as const;
const UNITS = [
  ['percent', '% of the amount'],
  ['usd', 'US dollars'],
] as const;

/** When a budget tells: a row for each threshold. */
export function ThresholdFields({ draft: { thresholds }, faults, onChange }: PartProps) {
  const own = faultsAt(faults, 'thresholds');
  const said = own.map(({ at, message }) => {
    const place = at.split('.')[1];
    return `${place === undefined ? 'It' : `Threshold ${Number(place) + 1}`} ${message.replace(/\.$/, '')}.`;
  });
  return (
    <fieldset class="group" id="budget-thresholds" aria-describedby="budget-thresholds-says">
      <legend class="label">When it tells, once in each period</legend>
      {thresholds.map((threshold, index) => (
        <Row
          key={index}
          {...{ threshold, index }}
          isWrong={own.some(({ at }) => `${at}.`.startsWith(`thresholds.${index}.`))}
          onChange={(next) => {
            onChange({
              thresholds: thresholds.flatMap((each, place) =>
                place === index ? (next === null ? [] : [next]) : [each],
              ),
            });
          }}
        />
      ))}
      <div>
        <button
          type="button"
          class="small"
          onClick={() => {
            onChange({ thresholds: [...thresholds, { of: 'actual', unit: 'percent', value: '' }] });
          }}
        >
          Add a threshold
        </button>
      </div>
      <Says id="budget-thresholds" faults={said} />
    </fieldset>
  );
}

function Row(props: {
  threshold: ThresholdDraft;
  index: number;
  isWrong: boolean;
  /** Null removes it. */
  onChange: (threshold: ThresholdDraft | null) => void;
}) {
  const { threshold, index, isWrong, onChange } = props;
  const { of, unit, value } = threshold;
  return (
    <div class="row" role="group" aria-label={`Threshold ${index + 1}`}>
      <Choice
        id={`threshold-${index}-of`}
        label="Once"
        value={of}
        options={MEASURES}
        onChoose={(chosen) => {
          onChange({ ...threshold, of: chosen === 'forecast' ? chosen : 'actual' });
        }}
      />
      <input
        class="short"
        inputmode="decimal"
        autocomplete="off"
        aria-label="At"
        aria-invalid={isWrong}
        aria-describedby="budget-thresholds-says"
        value={value}
        onInput={(event) => {
          onChange({ ...threshold, value: event.currentTarget.value });
        }}
      />
      <Choice
        id={`threshold-${index}-unit`}
        label={<span class="hidden">Unit</span>}
        value={unit}
        options={UNITS}
        onChoose={(chosen) => {
          onChange({ ...threshold, unit: chosen === 'usd' ? chosen : 'percent' });
        }}
      />
      <button
        type="button"
        class="small"
        aria-label={`Remove threshold ${index + 1}`}
        onClick={() => {
          onChange(null);
        }}
      >
        ×
      </button>
    </div>
  );
}
