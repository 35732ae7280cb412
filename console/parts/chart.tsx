import { useId, useRef, useState } from 'preact/hooks';
import { go } from '../route.ts';
import { BarShape } from './chart/bar.tsx';
import { LEFT, columnOf, extentOf, labelsOf, yOf, type Room } from './chart/geometry.ts';
import type { Bar, Level } from './chart/model.ts';
import { ticksOf } from './chart/ticks.ts';
import { Tip } from './chart/tip.tsx';
import { useWidth } from './chart/use-width.ts';
import { shortened, summaryOf, wordsOf } from './chart/words.ts';

export { Legend } from './chart/legend.tsx';

interface ChartProps {
  /** What the chart shows. */
  readonly title: string;
  /** The names of the series, the largest first. */
  readonly series: readonly string[];
  /** Whether the last series stands for all others. */
  readonly hasOthers?: boolean;
  readonly bars: readonly Bar[];
  readonly format: (amount: string) => string;
  /** Lines across all bars. */
  readonly levels?: readonly Level[];
  /** The chart in words, unless it is about its highest and lowest bar. */
  readonly says?: string;
  /** In pixels. */
  readonly height?: number;
}

/** Stacked bars. The arrow keys move between them, Enter follows one. A table with the same numbers belongs beside it. */
export function StackedBars(props: ChartProps) {
  const { title, series, bars, format, levels = [], says, height = 240, hasOthers = false } = props;
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const [at, setAt] = useState<number | null>(null);
  const [focus, setFocus] = useState(bars.length - 1);
  const hatch = useId();
  const ticks = ticksOf([...bars, ...levels.map(({ value }) => ({ values: [value] }))].map(extentOf));
  const room: Room = { step: Math.max(1, (width - LEFT) / Math.max(1, bars.length)), height, ticks };
  const home = Math.max(0, Math.min(focus, bars.length - 1));
  const others = hasOthers ? series.length - 1 : null;
  const active = at === null ? undefined : bars[at];
  const leave = (): void => {
    setAt(null);
  };
  const move = (event: KeyboardEvent): void => {
    const to = { ArrowLeft: home - 1, ArrowRight: home + 1, Home: 0, End: bars.length - 1 }[event.key];
    const link = bars[home]?.link;
    if (event.key === 'Enter' && link != null) go(link);
    if (event.key === 'Escape') leave();
    if (to === undefined) return;
    event.preventDefault();
    box.current?.querySelectorAll<SVGElement>('[data-bar]')[to]?.focus();
  };
  return (
    <div class="chart" ref={box} onMouseLeave={leave}>
      <p class="hidden">{`${title}. ${says ?? summaryOf(bars, format)} ${MOVES}`}</p>
      <svg height={height} role="group" aria-label={title} onKeyDown={move}>
        <Hatch id={hatch} />
        <Axes bars={bars} room={room} width={width} format={format} />
        {bars.map((bar, index) => (
          <BarShape
            key={bar.key}
            {...{ bar, room, index, hatch, others }}
            isHome={index === home}
            isOn={index === at}
            words={wordsOf(bar, series, format)}
            onPoint={() => {
              setAt(index);
            }}
            onFocus={() => {
              setAt(index);
              setFocus(index);
            }}
            onBlur={leave}
          />
        ))}
        <Levels {...{ levels, room, width }} />
      </svg>
      {active !== undefined && at !== null && (
        <Tip bar={active} {...{ series, others, format, width }} middle={LEFT + (at + 0.5) * room.step} />
      )}
    </div>
  );
}

const MOVES = 'The arrow keys move from bar to bar.';

function Levels({ levels, room, width }: { levels: readonly Level[]; room: Room; width: number }) {
  const labels = labelsOf(levels, room);
  return (
    <g aria-hidden="true">
      {levels.map(({ value, name, isLimit }, index) => (
        <g key={name} class={`level ${isLimit ? 'limit' : ''}`}>
          <line x1={LEFT} x2={width} y1={yOf(Number(value), room)} y2={yOf(Number(value), room)} />
          <text x={LEFT + 4} y={labels[index]}>
            {name}
          </text>
        </g>
      ))}
    </g>
  );
}

/** Pixels that the label of a bar needs. */
const LABEL = 46;

function Axes(props: { bars: readonly Bar[]; room: Room; width: number; format: (amount: string) => string }) {
  const { bars, room, width, format } = props;
  const every = Math.max(1, Math.ceil(LABEL / room.step));
  return (
    <g aria-hidden="true">
      {room.ticks.at.map((value) => (
        <g key={value}>
          <line class="grid-line" x1={LEFT} x2={width} y1={yOf(value, room)} y2={yOf(value, room)} />
          <text x={LEFT - 6} y={yOf(value, room) + 4} text-anchor="end">
            {shortened(value, format)}
          </text>
        </g>
      ))}
      {bars.map((bar, index) => {
        const column = columnOf(index, room);
        return index % every === 0 ? (
          <text key={bar.key} x={column.x + column.width / 2} y={room.height - 6} text-anchor="middle">
            {bar.label}
          </text>
        ) : null;
      })}
    </g>
  );
}

/** Stripes in the colour of the card, over what may still change. */
function Hatch({ id }: { id: string }) {
  return (
    <defs>
      <pattern id={id} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect width="3" height="6" class="hatch" />
      </pattern>
    </defs>
  );
}
