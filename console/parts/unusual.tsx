import type { Schema } from '../client/client.ts';
import { useReply } from '../client/use-reply.ts';
import { linkTo } from '../route.ts';
import type { Unusual } from './chart/model.ts';

/** Something unusual about the spend of a connection. */
export type Anomaly = Schema<'Anomaly'>;

/** The address of an anomaly. */
export function anomalyLink(id: string): string {
  return linkTo(['anomalies', id]);
}

/** The anomalies that have a day in a range, without those that a correction undid. */
export function useAnomalies(query: { from: string; to: string; connection_id?: string }, skip = false) {
  const { data } = useReply('/v1/anomalies', { query: { ...query, limit: 100 }, skip });
  return standing(data?.data ?? []);
}

/** The anomalies that no correction undid. */
export function standing(anomalies: readonly Anomaly[]): readonly Anomaly[] {
  return anomalies.filter(({ state }) => state !== 'withdrawn');
}

/** The anomalies that begin in a span of a chart, or before the chart's first day: then they belong to its first span. */
export function unusualIn(
  anomalies: readonly Anomaly[],
  { from, to }: { readonly from: string; readonly to: string },
  first: string,
): Unusual[] {
  return anomalies.filter(({ first_day: day }) => {
    const shown = day < first ? first : day;
    return from <= shown && shown <= to;
  });
}

/** Links to anomalies, each in a line of its own. */
export function UnusualLinks({ of = [] }: { of?: readonly Unusual[] | undefined }) {
  return (
    <>
      {of.map(({ id, subject }) => (
        <div key={id}>
          <a href={anomalyLink(id)}>{subject}</a>
        </div>
      ))}
    </>
  );
}
