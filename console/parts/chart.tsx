import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { signOf } from '../format/decimal.ts';
import { go } from '../route.ts';
import { ticksOf, type Ticks } from './ticks.ts';

/** What is known about the days of a bar. */
export type BarState = 'final' | 'provisional' | 'missing' | 'uncovered';

/** One bar of a chart: a day, a week or a month. */
export interface Bar {
  readonly key: string;
  /** For the axis; short. */
  readonly label: string;
  /** For whoever points at the bar or listens to it. */
  readonly title: string;
  readonly state: BarState;
  /** The amount of each series, in their order, as exact decimals. */
  readonly values: readonly string[];
  /** The sum of the values; null if nothing is known. */
  readonly total: string | null;
  /** Sentences about the bar, such as what it was before a restatement. */
  readonly notes: readonly string[];
  readonly isRestated: boolean;
  /** Where it leads: the whole bar, and each series within it. */
  readonly link: string | null;
  readonly links?: readonly (string | null)[];
}

interface ChartProps {
  /** What the chart shows, for whoever cannot see it. */
  readonly title: string;
  /** The names of the series, the largest first. */
  readonly series: readonly string[];
  /** Whether the last series stands for all others. */
  readonly hasOthers?: boolean;
  readonly bars: readonly Bar[];
  readonly format: (amount: string) => string;
  readonly height?: number;
}

const LEFT = 48;
const BOTTOM = 22;
const TOP = 12;
/** The height of a bar of which nothing is known. */
const UNKNOWN = 18;
const STATES: Readonly<Record<BarState, string>> = {
  final: '',
  provisional: 'Provisional: may still change.',
  missing: 'Still to be read.',
  uncovered: 'Not covered: outside of what the connections have.',
};

/** Stacked bars. The arrow keys move between them, Enter follows one. A table with the same numbers belongs beside it. */
export function StackedBars(props: ChartProps) {
  const { title, series, bars, format, height = 240, hasOthers = false } = props;
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const [at, setAt] = useState<number | null>(null);
  const [focus, setFocus] = useState(Math.max(0, bars.length - 1));
  const hatch = useId();
  const ticks = ticksOf(bars.map((bar) => extentOf(bar.values)));
  const room = { left: LEFT, step: Math.max(1, (width - LEFT) / Math.max(1, bars.length)), height, ticks };
  const every = Math.max(1, Math.ceil(46 / room.step));
  const active = at === null ? undefined : bars[at];
  const home = Math.min(focus, bars.length - 1);

  const move = (event: KeyboardEvent): void => {
    const to = { ArrowLeft: home - 1, ArrowRight: home + 1, Home: 0, End: bars.length - 1 }[event.key];
    const link = bars[home]?.link;
    if (event.key === 'Enter' && link != null) go(link);
    if (to === undefined || to < 0 || to >= bars.length) return;
    event.preventDefault();
    setFocus(to);
    box.current?.querySelectorAll<SVGElement>('[data-bar]')[to]?.focus();
  };

  return (
    <div
      class="chart"
      ref={box}
      onMouseLeave={() => {
        setAt(null);
      }}
    >
      <p class="hidden">{`${title}. ${spoken(bars, format)} The arrow keys move from bar to bar.`}</p>
      <svg height={height} role="group" aria-label={title} onKeyDown={move}>
        <Hatch id={hatch} />
        <Axis ticks={ticks} width={width} height={height} format={format} />
        {bars.map((bar, index) => (
          <BarShape
            key={bar.key}
            bar={bar}
            room={room}
            index={index}
            hatch={hatch}
            others={hasOthers ? series.length - 1 : null}
            showsLabel={index % every === 0}
            isHome={index === home}
            isOn={index === at}
            words={wordsOf(bar, series, format)}
            onEnter={() => {
              setAt(index);
            }}
            onFocus={() => {
              setAt(index);
              setFocus(index);
            }}
            onBlur={() => {
              setAt(null);
            }}
          />
        ))}
      </svg>
      {active !== undefined && at !== null && (
        <Tip
          bar={active}
          series={series}
          hasOthers={hasOthers}
          format={format}
          left={LEFT + (at + 0.5) * room.step}
          width={width}
        />
      )}
    </div>
  );
}

interface Room {
  readonly left: number;
  readonly step: number;
  readonly height: number;
  readonly ticks: Ticks;
}

function yOf(value: number, { ticks, height }: Pick<Room, 'ticks' | 'height'>): number {
  return TOP + ((ticks.max - value) / (ticks.max - ticks.min)) * (height - TOP - BOTTOM);
}

function BarShape(props: {
  bar: Bar;
  room: Room;
  index: number;
  hatch: string;
  others: number | null;
  showsLabel: boolean;
  isHome: boolean;
  isOn: boolean;
  words: string;
  onEnter: () => void;
  onFocus: () => void;
  onBlur: () => void;
}) {
  const { bar, room, index, hatch, others } = props;
  const gap = room.step > 12 ? room.step * 0.24 : room.step > 4 ? 2 : 0.5;
  const x = room.left + index * room.step + gap / 2;
  const width = Math.max(1, room.step - gap);
  const rects = rectsOf(bar, room);
  const top = Math.min(yOf(0, room), ...rects.map(({ y }) => y));
  const follow = (link: string | null | undefined): void => {
    if (link != null) go(link);
  };
  return (
    <g
      class={props.isOn ? 'on' : ''}
      role={bar.link === null ? 'img' : 'link'}
      aria-label={props.words}
      tabindex={props.isHome ? 0 : -1}
      data-bar={bar.key}
      onMouseEnter={props.onEnter}
      onFocus={props.onFocus}
      onBlur={props.onBlur}
    >
      <rect
        class="hit"
        x={room.left + index * room.step}
        y={0}
        width={room.step}
        height={room.height - BOTTOM}
        onClick={() => {
          follow(bar.link);
        }}
      />
      {rects.map(({ series, y, height }) => (
        <g
          key={series}
          onClick={() => {
            follow(bar.links?.[series] ?? bar.link);
          }}
        >
          <rect
            class={`bar ${fillOf(series, others)}`}
            x={x}
            y={y}
            width={width}
            height={height}
            rx={width > 8 ? 1.5 : 0}
          />
          {bar.state === 'provisional' && (
            <rect fill={`url(#${hatch})`} x={x} y={y} width={width} height={height} pointer-events="none" />
          )}
        </g>
      ))}
      {(bar.state === 'missing' || bar.state === 'uncovered') && (
        <rect
          class={`dashed ${bar.state}`}
          x={x}
          y={yOf(0, room) - UNKNOWN}
          width={width}
          height={UNKNOWN}
          pointer-events="none"
        />
      )}
      {bar.isRestated && <circle class="restated" cx={x + width / 2} cy={top - 6} r={3} />}
      {props.showsLabel && (
        <text x={x + width / 2} y={room.height - 6} text-anchor="middle" aria-hidden="true">
          {bar.label}
        </text>
      )}
    </g>
  );
}

/** Where each series of a bar lies: positive ones upwards from zero, negative ones downwards. */
function rectsOf(bar: Bar, room: Room): { series: number; y: number; height: number }[] {
  let [up, down] = [0, 0];
  return bar.values.flatMap((text, series) => {
    const value = Number(text);
    if (value === 0) return [];
    const [from, to] = value > 0 ? [up, up + value] : [down, down + value];
    if (value > 0) up = to;
    else down = to;
    const [a, b] = [yOf(from, room), yOf(to, room)];
    return [{ series, y: Math.min(a, b), height: Math.max(0.5, Math.abs(a - b)) }];
  });
}

function extentOf(values: readonly string[]): [low: number, high: number] {
  const numbers = values.map(Number);
  const total = (keep: (value: number) => boolean): number => numbers.filter(keep).reduce((a, b) => a + b, 0);
  return [total((value) => value < 0), total((value) => value > 0)];
}

function Axis({
  ticks,
  width,
  height,
  format,
}: {
  ticks: Ticks;
  width: number;
  height: number;
  format: (amount: string) => string;
}) {
  return (
    <g aria-hidden="true">
      {ticks.at.map((value) => (
        <g key={value}>
          <line
            class="grid-line"
            x1={LEFT}
            x2={width}
            y1={yOf(value, { ticks, height })}
            y2={yOf(value, { ticks, height })}
          />
          <text x={LEFT - 6} y={yOf(value, { ticks, height }) + 4} text-anchor="end">
            {shortened(value, format)}
          </text>
        </g>
      ))}
    </g>
  );
}

function shortened(value: number, format: (amount: string) => string): string {
  const sign = value < 0 ? '−' : '';
  const unit = format('1').startsWith('$') ? '$' : '';
  const size = Math.abs(value);
  for (const [least, letter] of [
    [1e12, 'T'],
    [1e9, 'B'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (size >= least) return `${sign}${unit}${Number((size / least).toPrecision(3))}${letter}`;
  }
  return `${sign}${unit}${Number(size.toPrecision(2))}`;
}

/** Stripes in the colour of the card, over a bar that may still change. */
function Hatch({ id }: { id: string }) {
  return (
    <defs>
      <pattern id={id} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect width="3" height="6" class="hatch" />
      </pattern>
    </defs>
  );
}

function Tip(props: {
  bar: Bar;
  series: readonly string[];
  hasOthers: boolean;
  format: (amount: string) => string;
  left: number;
  width: number;
}) {
  const { bar, series, format } = props;
  const others = props.hasOthers ? series.length - 1 : null;
  const isRight = props.left > props.width / 2;
  return (
    <div
      class="tip"
      aria-hidden="true"
      style={
        isRight
          ? { right: `${props.width - props.left + 12}px`, top: '8px' }
          : { left: `${props.left + 12}px`, top: '8px' }
      }
    >
      <strong>{bar.title}</strong>
      {bar.total !== null && <div class="num">{format(bar.total)}</div>}
      {series.length > 1 && (
        <table>
          <tbody>
            {bar.values.map((value, index) =>
              signOf(value) === 0 ? null : (
                <tr key={index}>
                  <td>
                    <i class={`swatch ${fillOf(index, others)}`} /> {series[index]}
                  </td>
                  <td class="r num">{format(value)}</td>
                </tr>
              ),
            )}
          </tbody>
        </table>
      )}
      {[STATES[bar.state], ...bar.notes].filter(Boolean).map((note) => (
        <div key={note}>{note}</div>
      ))}
    </div>
  );
}

/** The class with the colour of a series. */
export function fillOf(series: number, others: number | null): string {
  return series === others || series > 5 ? 'fill-other' : `fill-${series}`;
}

function wordsOf(bar: Bar, series: readonly string[], format: (amount: string) => string): string {
  const parts =
    series.length < 2
      ? []
      : bar.values.flatMap((value, index) => (signOf(value) === 0 ? [] : [`${series[index] ?? ''} ${format(value)}`]));
  return [
    `${bar.title}: ${bar.total === null ? 'unknown' : format(bar.total)}.`,
    ...parts.map((part) => `${part}.`),
    STATES[bar.state],
    ...bar.notes,
  ]
    .filter(Boolean)
    .join(' ');
}

function spoken(bars: readonly Bar[], format: (amount: string) => string): string {
  const known = bars.flatMap((bar) => (bar.total === null ? [] : [{ ...bar, total: bar.total }]));
  const [first] = known;
  if (first === undefined) return 'No amounts are known.';
  const highest = known.reduce((a, b) => (Number(b.total) > Number(a.total) ? b : a), first);
  const lowest = known.reduce((a, b) => (Number(b.total) < Number(a.total) ? b : a), first);
  return `${bars.length} bars. The highest is ${highest.title} with ${format(highest.total)}, the lowest ${lowest.title} with ${format(lowest.total)}.`;
}

/** The width of an element in pixels, as it changes. */
function useWidth(element: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(640);
  useEffect(() => {
    const { current } = element;
    if (current === null) return;
    setWidth(current.clientWidth);
    const observer = new ResizeObserver(() => {
      setWidth(current.clientWidth);
    });
    observer.observe(current);
    return () => {
      observer.disconnect();
    };
  }, [element]);
  return width;
}

/** What the marks of a chart mean, for the marks that it has. */
export function Legend(props: { series: readonly string[]; hasOthers?: boolean; bars: readonly Bar[] }) {
  const { series, bars } = props;
  const others = props.hasOthers === true ? series.length - 1 : null;
  const has = (state: BarState): boolean => bars.some((bar) => bar.state === state);
  const restated = bars.filter((bar) => bar.isRestated);
  return (
    <div class="legend">
      {series.length > 1 &&
        series.map((name, index) => (
          <span key={name}>
            <i class={`swatch ${fillOf(index, others)}`} />
            {name}
          </span>
        ))}
      {has('provisional') && (
        <span>
          <i class="swatch hatched" />
          Provisional: may still change
        </span>
      )}
      {has('missing') && (
        <span>
          <i class="swatch missing" />
          Still to be read
        </span>
      )}
      {has('uncovered') && (
        <span>
          <i class="swatch dashed" />
          Not covered
        </span>
      )}
      {restated.length > 0 && (
        <span>
          <i class="swatch restated" />
          Restated since it was first read
        </span>
      )}
    </div>
  );
}
