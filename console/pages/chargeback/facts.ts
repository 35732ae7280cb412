import { useReply } from '../../client/use-reply.ts';
import { useTagKeys, useWorkspaces } from '../explore/names.ts';
import { distinct } from '../explore/reports.ts';
import { daysIn } from './place.ts';
import { plainValue, type NameOfValue } from './words.ts';

/** What rules can be made of: names, tags, and the days whose values are offered. */
export interface EditorFacts {
  readonly days: { readonly from: string; readonly to: string };
  /** The keys of the tags that workspaces have. */
  readonly tags: readonly string[];
  readonly nameOf: NameOfValue;
}

/** Reads what rules can be made of in a month. */
export function useEditorFacts(month: string): EditorFacts {
  const workspaces = distinct(useWorkspaces(true));
  const connections = useReply('/v1/connections', { query: { limit: 100 } });
  const tags = useTagKeys();
  const nameOf = (dimension: string, value: string): string => {
    const named: readonly { readonly id: string | null; readonly name: string }[] =
      dimension === 'workspace' ? workspaces : dimension === 'connection' ? (connections.data?.data ?? []) : [];
    return (value === '' ? undefined : named.find(({ id }) => id === value)?.name) ?? plainValue(dimension, value);
  };
  return { days: daysIn(month), tags, nameOf };
}
