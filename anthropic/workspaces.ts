import { z } from 'zod';
import type { Json } from '../domain/lines.ts';
import { invalidReply } from './failure.ts';
import { parseJson } from './rows.ts';
import type { AnthropicReader } from './transport.ts';

const PAGE_SIZE = 1000;

/** More pages than this are a list that never ends. */
const MAX_PAGES = 200;
/** What is longer is no id, and no name that anybody gave. */
const LONGEST_ID = 200;
const LONGEST_NAME = 500;
/** What is reported of a workspace is kept up to here. */
const MOST_REPORTED = 64 * 1024;
const MOST_DEPTH = 50;

const pageReply = z.looseObject({
  data: z.array(z.unknown()),
  last_id: z.unknown().optional(),
  has_more: z.unknown().optional(),
});
const workspaceReply = z.looseObject({ id: z.string().min(1).max(LONGEST_ID) });

/**
 * A workspace as listed; `reported` is the whole of it, unknown fields included, unless that is larger or nests deeper
 * than anything a workspace has: then it is its id alone.
 */
export interface Workspace {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string | null;
  readonly archivedAt: string | null;
  readonly reported: Json;
}

/**
 * Lists the workspaces page by page, archived ones too, since those still have costs. The default workspace is not
 * listed. An entry without an id is passed over, and what is not a name or a date is none. A list whose form is not the
 * documented one gives what it has before it fails. Throws AnthropicError.
 */
export async function* listWorkspaces(reader: AnthropicReader): AsyncGenerator<Workspace[]> {
  const seen = new Set<string>();
  let after: string | null = null;
  do {
    if (seen.size === MAX_PAGES) throw invalidReply('the list of workspaces goes on and on');
    const cursor: [string, string][] = after === null ? [] : [['after_id', after]];
    const query: [string, string][] = [['limit', String(PAGE_SIZE)], ['include_archived', 'true'], ...cursor];
    const page: WorkspacePage = await reader.get('/v1/organizations/workspaces', query, (body) =>
      toPage(parseJson(body.toString())),
    );
    yield page.workspaces;
    after = nextCursor(page, seen);
  } while (after !== null);
}

interface WorkspacePage {
  readonly workspaces: Workspace[];
  readonly hasMore: unknown;
  readonly lastId: unknown;
}

function toPage(json: unknown): WorkspacePage {
  const page = pageReply.safeParse(json);
  if (!page.success) throw invalidReply('the list of workspaces has not the documented form');
  const { data, has_more: hasMore, last_id: lastId } = page.data;
  return { workspaces: data.flatMap(toWorkspaces), hasMore, lastId };
}

/** What the next page comes after; null on the last one. `last_id` is set on that too: only `has_more` ends the list. */
function nextCursor({ hasMore, lastId }: WorkspacePage, seen: Set<string>): string | null {
  if (hasMore === false) return null;
  if (hasMore !== true) throw invalidReply('the list of workspaces does not say whether there is more');
  if (typeof lastId !== 'string' || lastId === '' || seen.has(lastId))
    throw invalidReply('the list of workspaces says that there is more, and not where');
  seen.add(lastId);
  return lastId;
}

/** An entry as a workspace, or as none. Costs are shown by the id of their workspace where that is all there is. */
function toWorkspaces(entry: unknown): Workspace[] {
  const parsed = workspaceReply.safeParse(entry);
  if (!parsed.success) return [];
  const { id, name, created_at: createdAt, archived_at: archivedAt } = parsed.data;
  return [
    {
      id,
      name: typeof name === 'string' && name !== '' ? name.slice(0, LONGEST_NAME) : id,
      createdAt: instantOf(createdAt),
      archivedAt: instantOf(archivedAt),
      reported: isJsonWithin(entry, MOST_DEPTH) && JSON.stringify(entry).length <= MOST_REPORTED ? entry : { id },
    },
  ];
}

const INSTANT = z.iso.datetime({ offset: true });
const FIRST = Date.parse('0001-01-01T00:00:00Z');
const LAST = Date.parse('9999-12-31T23:59:59.999Z');

/** With as many digits of a second as Postgres keeps. */
const LONGEST_INSTANT = '2026-01-31T06:12:00.000000Z'.length;

/** An instant in a form that Postgres takes; null for all that is none, also of a year that calendars do not agree on. */
function instantOf(value: unknown): string | null {
  const parsed = INSTANT.safeParse(value);
  if (!parsed.success) return null;
  const ms = Date.parse(parsed.data);
  if (!(ms >= FIRST && ms <= LAST)) return null;
  const isPlain = parsed.data.endsWith('Z') && parsed.data.length <= LONGEST_INSTANT;
  return isPlain ? parsed.data : new Date(ms).toISOString();
}

/** Whether what was parsed from JSON nests no deeper: it is gone through by functions that call themselves. */
function isJsonWithin(value: unknown, depth: number): value is Json {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isJsonWithin(inner, depth - 1));
}
