import { range } from '../../format/days.ts';
import { Card } from '../../parts/card.tsx';
import { signOf } from '../../format/decimal.ts';
import { count, exact, percentChange, usd } from '../../format/money.ts';
import { Legend, StackedBars } from '../../parts/chart.tsx';
import { Failure, Loading } from '../../parts/messages.tsx';
import { go } from '../../route.ts';
import { linkFor } from './chips.tsx';
import { chartFormat } from './columns.ts';
import { Days } from './days.tsx';
import { wordOf } from './dimensions.ts';
import { Facts } from './facts.tsx';
import { Groups } from './groups.tsx';
import { Lines } from './lines.tsx';
import { isFoundEmpty, Nothing } from './nothing.tsx';
import { loadPicture, needsPicture, pictureKey, titleOf, type Picture } from './picture.ts';
import { COUNTS, grainIn, viewOf, viewsOf, type SpendQuery, type View } from './query.ts';
import { MAIN, type Page } from './reports.ts';
import { useLoad } from '../../client/use-load.ts';
import { COMPARE_WORDS, COUNT_WORDS, sentenceOf, type NameOf } from './words.ts';
import { Select } from '../../parts/select.tsx';

/** What the API answers to a query: a total, a chart, and a table. */
export function Answer({ query, nameOf }: { query: SpendQuery; nameOf: NameOf }) {
  const hasPicture = needsPicture(query);
  const picture = useLoad(hasPicture ? pictureKey(query) : null, (signal) => loadPicture(query, signal));
  const view = viewOf(query);
  if (hasPicture && picture.error !== null) return <Failure error={picture.error} retry={picture.reload} />;
  if (hasPicture && picture.data === null) return <Loading what="the answer" />;
  const shown = hasPicture ? picture.data : null;
  // The answer to the query before may stand until the next one is there, but not if it would be read as another report's.
  const isOld = shown !== null && picture.of !== pictureKey(query);
  if (isOld && (shown.query.report !== query.report || isFoundEmpty(shown.whole))) return <Loading what="the answer" />;
  if (shown !== null && isFoundEmpty(shown.whole)) {
    return (
      <section class="card stack">
        <Nothing query={query} nameOf={nameOf} />
        <Facts page={shown.whole} />
      </section>
    );
  }
  return (
    <div class={`stack answer ${isOld ? 'old' : ''}`} aria-busy={isOld}>
      {isOld && <Loading what="the answer. This is still the one before" />}
      {shown !== null && <PictureCard picture={shown} nameOf={nameOf} />}
      <Card class="stack" title={nameOfView(view, query)} aside={<Views query={query} />}>
        {view === 'lines' && <Lines query={query} nameOf={nameOf} hasFacts={!hasPicture} />}
        {view === 'groups' && shown?.groups != null && (
          <Groups
            key={pictureKey(shown.query)}
            query={shown.query}
            page={shown.groups}
            hasChart={shown.chart !== null}
          />
        )}
        {view === 'days' && shown?.chart != null && (
          <Days key={pictureKey(shown.query)} query={shown.query} chart={shown.chart} whole={shown.whole} />
        )}
      </Card>
    </div>
  );
}

/** What a table is called; bars are days, weeks or months. */
function nameOfView(view: View, query: SpendQuery): string {
  const bars = { day: 'Days', week: 'Weeks', month: 'Months' }[grainIn(query) ?? 'day'];
  return { groups: 'Groups', days: bars, lines: 'Lines' }[view];
}

function Views({ query }: { query: SpendQuery }) {
  const views = viewsOf(query);
  if (views.length < 2) return null;
  return (
    <div class="tabs" role="group" aria-label="Table">
      {views.map((view) => (
        <button
          key={view}
          type="button"
          aria-pressed={view === viewOf(query)}
          onClick={() => {
            go(linkFor({ ...query, view }));
          }}
        >
          {nameOfView(view, query)}
        </button>
      ))}
    </div>
  );
}

function PictureCard({ picture, nameOf }: { picture: Picture; nameOf: NameOf }) {
  const { query, whole, chart } = picture;
  return (
    <section class="card stack">
      <div class="spread">
        <Total query={query} whole={whole} />
        {query.report === 'usage' && <CountField query={query} />}
      </div>
      {chart !== null && (
        <div>
          <StackedBars
            title={sentenceOf(query, nameOf)}
            series={chart.series}
            hasOthers={chart.hasOthers}
            bars={chart.bars}
            format={chartFormat(query)}
          />
          <Legend series={chart.series} hasOthers={chart.hasOthers} bars={chart.bars} />
        </div>
      )}
      <Facts page={whole} />
    </section>
  );
}

function Total({ query, whole }: { query: SpendQuery; whole: Page }) {
  const value = whole.total[MAIN[query.report]] ?? '0';
  const before = whole.total['previous'] ?? whole.total['before'] ?? null;
  const change = whole.total['change'] ?? null;
  const format = query.report === 'usage' ? (text: string) => count(text) : usd;
  return (
    <div>
      <h2 class="muted">{titleOf(query)}</h2>
      <div class="big num" title={exact(value)}>
        {format(value)}
      </div>
      {before !== null && change !== null && whole.compare !== null && (
        <div class="num">
          <span class={`delta ${signOf(change) > 0 ? 'up' : 'down'}`}>
            {[`${signOf(change) > 0 ? '+' : ''}${format(change)}`, percentChange(change, before)]
              .filter(Boolean)
              .join(', ')}
          </span>{' '}
          <span class="muted">
            {`against ${wordOf(COMPARE_WORDS, query.compare ?? '')}, ${range(whole.compare.from, whole.compare.to)}`}
          </span>
          {whole.compare.uncovered_days + whole.compare.missing_days > 0 && (
            <div class="faint small">
              {`${unknownDays(whole.compare.uncovered_days + whole.compare.missing_days)} not known, so the change is too high.`}
            </div>
          )}
        </div>
      )}
    </div>
  );
}

function unknownDays(days: number): string {
  return days === 1 ? 'A day of it is' : `${days} days of it are`;
}

function CountField({ query }: { query: SpendQuery }) {
  return (
    <label class="inline">
      Chart{' '}
      <Select
        value={query.count ?? ''}
        options={[['', 'All tokens'], ...COUNTS.map((each) => [each, COUNT_WORDS[each]] as const)]}
        onChoose={(value) => {
          go(linkFor({ ...query, count: COUNTS.find((each) => each === value) ?? null }));
        }}
      />
    </label>
  );
}
