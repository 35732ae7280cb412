import type { Bar, BarState } from './model.ts';
import { fillOf } from './geometry.ts';
import { anomalyLink } from '../unusual.tsx';

/** How many anomalies are named; the table names all. */
const MOST_UNUSUAL = 5;

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
      {has('forecast') && <Mark swatch="expected" words="Expected" />}
      {bars.some((bar) => bar.band !== undefined) && <Mark swatch="band" words="Holds eight of ten cases" />}
      {bars.some((bar) => bar.isRestated) && <Mark swatch="restated" words="Restated since it was first read" />}
      {bars
        .flatMap(({ unusual = [] }) => unusual)
        .slice(0, MOST_UNUSUAL)
        .map(({ id, subject }) => (
          <span key={id}>
            <i class="swatch unusual" />
            <a href={anomalyLink(id)}>{subject}</a>
          </span>
        ))}
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
