import { faultsAt, Says } from '../../parts/field.tsx';
import { Choice } from '../../parts/choice.tsx';
import type { ThresholdDraft } from './draft.ts';
import type { PartProps } from './form.tsx';

/** When a budget tells: a row for each threshold. */
export function ThresholdFields({ draft: { thresholds }, faults, onChange }: PartProps) {
  const own = faultsAt(faults, 'thresholds');
  const said = own.map(({ at, message }) => {
    const place = at.split('.')[1];
    return `${place === undefined ? 'It' : `Threshold ${Number(place) + 1}`} ${message.replace(/\.$/, '')}.`;
  });
  const set = (index: number, part: Partial<ThresholdDraft>): void => {
    onChange({ thresholds: thresholds.map((each, place) => (place === index ? { ...each, ...part } : each)) });
  };
  return (
    <fieldset class="group" id="budget-thresholds" aria-describedby="budget-thresholds-says">
      <legend class="label">When it tells, once in each period</legend>
      {thresholds.map(({ of, unit, value }, index) => (
        <div key={index} class="row" role="group" aria-label={`Threshold ${index + 1}`}>
          <Choice
            id={`threshold-${index}-of`}
            label="Once"
            value={of}
            options={[
              ['actual', 'is spent'],
              ['forecast', 'is expected'],
            ]}
            onChoose={(chosen) => {
              set(index, { of: chosen === 'forecast' ? chosen : 'actual' });
            }}
          />
          <input
            class="short"
            inputmode="decimal"
            autocomplete="off"
            aria-label="At"
            aria-invalid={own.some(({ at }) => `${at}.`.startsWith(`thresholds.${index}.`))}
            aria-describedby="budget-thresholds-says"
            value={value}
            onInput={(event) => {
              set(index, { value: event.currentTarget.value });
            }}
          />
          <Choice
            id={`threshold-${index}-unit`}
            label=""
            value={unit}
            options={[
              ['percent', '% of the amount'],
              ['usd', 'US dollars'],
            ]}
            onChoose={(chosen) => {
              set(index, { unit: chosen === 'usd' ? chosen : 'percent' });
            }}
          />
          <button
            type="button"
            class="small"
            aria-label={`Remove threshold ${index + 1}`}
            onClick={() => {
              onChange({ thresholds: thresholds.filter((_, place) => place !== index) });
            }}
          >
            ×
          </button>
        </div>
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
