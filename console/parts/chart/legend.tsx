import type { Bar, BarState } from './model.ts';
import { fillOf } from './geometry.ts';

/** What the marks of a chart mean, for the marks that it has. */
export function Legend(props: { series: readonly string[]; hasOthers?: boolean; bars: readonly Bar[] }) {
  const { series, bars, hasOthers = false } = props;
  const others = hasOthers ? series.length - 1 : null;
  const has = (state: BarState): boolean => bars.some((bar) => bar.state === state);
  return (
    <div class="legend">
      {series.length > 1 &&
        series.map((name, index) => <Mark key={name} swatch={fillOf(index, others)} words={name} />)}
      {has('provisional') && <Mark swatch="hatched" words="Provisional: may still change" />}
      {has('missing') && <Mark swatch="missing" words="Still to be read" />}
      {has('uncovered') && <Mark swatch="dashed" words="Not covered" />}
      {bars.some((bar) => bar.isRestated) && <Mark swatch="restated" words="Restated since it was first read" />}
    </div>
  );
}

function Mark({ swatch, words }: { swatch: string; words: string }) {
  return (
    <span>
      <i class={`swatch ${swatch}`} />
      {words}
    </span>
  );
}
