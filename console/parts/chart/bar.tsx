import { go } from '../../route.ts';
import { anomalyLink } from '../unusual.tsx';
import type { Bar } from './model.ts';
import { BOTTOM, LEFT, columnOf, fillOf, rectsOf, yOf, type Room } from './geometry.ts';

/** The height of a bar of which nothing is known. */
const UNKNOWN = 18;

interface BarProps {
  readonly bar: Bar;
  readonly room: Room;
  readonly index: number;
  /** The id of the pattern over what may still change. */
  readonly hatch: string;
  /** Which series stands for all others, if one does. */
  readonly others: number | null;
  /** Whether Tab leads here; the arrow keys lead on. */
  readonly isHome: boolean;
  readonly isOn: boolean;
  readonly words: string;
  readonly onPoint: () => void;
  readonly onFocus: () => void;
  readonly onBlur: () => void;
}

/** One bar: its series, its marks, and where it leads. */
export function BarShape({ bar, room, index, hatch, others, isHome, isOn, words, ...on }: BarProps) {
  const { x, width } = columnOf(index, room);
  const rects = rectsOf(bar, room);
  const top = Math.min(yOf(0, room), ...rects.map(({ y }) => y));
  return (
    <g
      class={isOn ? 'on' : ''}
      role={bar.link === null ? 'img' : 'link'}
      aria-label={words}
      tabindex={isHome ? 0 : -1}
      data-bar={bar.key}
      onMouseEnter={on.onPoint}
      onFocus={on.onFocus}
      onBlur={on.onBlur}
    >
      <rect
        class="hit"
        x={LEFT + index * room.step}
        y={0}
        width={room.step}
        height={room.height - BOTTOM}
        onClick={() => {
          follow(bar.link);
        }}
      />
      {bar.band !== undefined && <Band {...bar.band} {...{ index, room }} />}
      {rects.map(({ series, y, height }) => (
        <g
          key={series}
          onClick={() => {
            follow(bar.links?.[series] ?? bar.link);
          }}
        >
          <rect
            class={`bar ${bar.state === 'forecast' ? 'expected' : fillOf(series, others)}`}
            x={x}
            y={y}
            width={width}
            height={height}
          />
          {bar.state === 'provisional' && (
            <rect class="over" fill={`url(#${hatch})`} x={x} y={y} width={width} height={height} />
          )}
        </g>
      ))}
      {(bar.state === 'missing' || bar.state === 'uncovered') && (
        <rect class={`dashed ${bar.state}`} x={x} y={yOf(0, room) - UNKNOWN} width={width} height={UNKNOWN} />
      )}
      <Marks {...{ bar, top }} x={x + width / 2} />
    </g>
  );
}

/** What stands above a bar: a dot if it was restated, and an anomaly, which leads to it. */
function Marks({ bar: { isRestated, unusual = [] }, x, top }: { bar: Bar; x: number; top: number }) {
  return (
    <>
      {isRestated && <circle class="restated" cx={x} cy={top - 6} r={3} />}
      {unusual.slice(0, 1).map(({ id }) => (
        <path
          key={id}
          class="unusual"
          d={`M${x} ${top - (isRestated ? 11 : 3)}l-6 -10h12z`}
          onClick={() => {
            go(anomalyLink(id));
          }}
        />
      ))}
    </>
  );
}

/** Where the bar is expected, as wide as its place, so that those of several bars meet. */
function Band({ low, high, index, room }: { low: string; high: string; index: number; room: Room }) {
  const top = yOf(Number(high), room);
  const height = Math.max(1, yOf(Number(low), room) - top);
  return <rect class="band" x={LEFT + index * room.step} y={top} width={room.step} height={height} />;
}

function follow(link: string | null): void {
  if (link !== null) go(link);
}
