import { usdChange } from '../format/money.ts';
import { worthSaying, type WhyChange } from '../format/why.ts';

const PARTS = [
  { name: 'volume', words: 'Volume: more or fewer tokens', fill: 'fill-0' },
  { name: 'mix', words: 'Mix: other models, workspaces, tiers', fill: 'fill-1' },
  { name: 'price', words: 'Price: the same tokens cost more or less', fill: 'fill-3' },
  { name: 'unmatched', words: 'Costs without tokens', fill: 'fill-other' },
] as const;

/** The four parts of a change, as a bar and as words. */
export function Why({ change }: { change: WhyChange }) {
  const sizes = PARTS.map(({ name }) => Math.abs(Number(change[name])));
  const whole = sizes.reduce((a, b) => a + b, 0);
  const moved = worthSaying(change);
  return (
    <>
      <div class="why" aria-hidden="true">
        {whole > 0 &&
          PARTS.map(({ name, fill }, index) => (
            <i key={name} class={fill} style={{ width: `${((sizes[index] ?? 0) / whole) * 100}%` }} />
          ))}
      </div>
      <span class="faint small num">
        {moved.length === 0 && 'no change'}
        {moved.map((name) => (
          <span key={name}>
            <span class="nowrap">{`${name} ${usdChange(change[name])}`}</span>{' '}
          </span>
        ))}
      </span>
    </>
  );
}

/** What the colours of {@link Why} mean. */
export function WhyLegend() {
  return (
    <div class="legend">
      {PARTS.map(({ name, words, fill }) => (
        <span key={name}>
          <i class={`swatch ${fill}`} />
          {words}
        </span>
      ))}
    </div>
  );
}
