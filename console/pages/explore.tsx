import { today } from '../format/days.ts';
import type { Route } from '../route.ts';
import { Answer } from './explore/answer.tsx';
import { Chips } from './explore/chips.tsx';
import { useNames } from './explore/names.ts';
import { parseQuery } from './explore/query.ts';
import { TakeAway } from './explore/take-away.tsx';
import '../style/explore.css';

/** Asks any spend query. The address is the query, so that it can be sent to somebody else. */
export function Explore({ route }: { route: Route }) {
  const query = parseQuery(route.query, today());
  const nameOf = useNames(query);
  return (
    <>
      <div class="top">
        <h1>Explore</h1>
        <TakeAway query={query} />
      </div>
      <Chips query={query} nameOf={nameOf} />
      <Answer query={query} nameOf={nameOf} />
    </>
  );
}
