import { z } from 'zod';
import type { Json } from '../domain/lines.ts';
import { WORKSPACE_LENGTHS } from '../domain/workspaces.ts';
import { parseValue } from '../pages/json.ts';
import { invalidReply } from './failure.ts';
import type { AnthropicReader } from './transport.ts';

const PAGE_SIZE = 1000;

/** A list with more pages than this never ends. */
const MAX_PAGES = 200;
const MAX_ID_LENGTH = 200;
/** More tags than any real workspace has. */
const MAX_TAGS = 100;
const MAX_REPORTED_LENGTH = 64 * 1024;
const MAX_REPORTED_DEPTH = 50;

const pageReply = z.looseObject({
  data: z.array(z.unknown()),
  last_id: z.unknown().optional(),
  has_more: z.unknown().optional(),
});
const workspaceReply = z.looseObject({ id: z.string().min(1).max(MAX_ID_LENGTH) });

/**
 * A workspace. `reported` is the whole entry with its unknown fields, or only its id if the entry is larger or nests
 * deeper than any real workspace.
 */
export interface Workspace {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string | null;
  readonly archivedAt: string | null;
  /** By key, without those that have a wrong form. */
  readonly tags: ReadonlyMap<string, string>;
  readonly reported: Json;
}

/**
 * Lists the workspaces page by page, also the archived ones, which still have costs. Anthropic does not list the default
 * workspace. An entry without an id is skipped, and a name or date of the wrong form counts as missing. The pages before
 * a malformed one are yielded. Throws AnthropicError.
 */
export async function* listWorkspaces(reader: AnthropicReader): AsyncGenerator<Workspace[]> {
  const seen = new Set<string>();
  let after: string | null = null;
  do {
    if (seen.size === MAX_PAGES) throw invalidReply('the list of workspaces does not end');
    const cursor: [string, string][] = after === null ? [] : [['after_id', after]];
    const query: [string, string][] = [['limit', String(PAGE_SIZE)], ['include_archived', 'true'], ...cursor];
    const page: WorkspacePage = await reader.get('/v1/organizations/workspaces', query, (body) =>
      toPage(parseValue(body.toString())),
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
  if (!page.success) throw invalidReply('the list of workspaces does not have the documented form');
  const { data, has_more: hasMore, last_id: lastId } = page.data;
  return { workspaces: data.flatMap(toWorkspaces), hasMore, lastId };
}

/** The cursor of the next page; null on the last one. The last page has a `last_id` too, so only `has_more` ends it. */
function nextCursor({ hasMore, lastId }: WorkspacePage, seen: Set<string>): string | null {
  if (hasMore === false) return null;
  if (hasMore !== true) throw invalidReply('the list of workspaces does not say whether it has more pages');
  if (typeof lastId !== 'string' || lastId === '' || seen.has(lastId))
    throw invalidReply('the list of workspaces has more pages but does not say where they start');
  seen.add(lastId);
  return lastId;
}

/** One workspace, or none if the entry has no id. The id serves as the name of a workspace without one. */
function toWorkspaces(entry: unknown): Workspace[] {
  const parsed = workspaceReply.safeParse(entry);
  if (!parsed.success) return [];
  const { id, name, created_at: createdAt, archived_at: archivedAt, tags } = parsed.data;
  return [
    {
      id,
      name: typeof name === 'string' && name !== '' ? name.slice(0, WORKSPACE_LENGTHS.name) : id,
      createdAt: instantOf(createdAt),
      archivedAt: instantOf(archivedAt),
      tags: tagsOf(tags),
      reported:
        isJsonWithin(entry, MAX_REPORTED_DEPTH) && JSON.stringify(entry).length <= MAX_REPORTED_LENGTH ? entry : { id },
    },
  ];
}

/**
 * The tags of a workspace by key. One that is not text, is empty or is too long is left out rather than cut, since two
 * cut values could become the same one. Of too many, the first are kept.
 */
function tagsOf(reported: unknown): ReadonlyMap<string, string> {
  if (typeof reported !== 'object' || reported === null || Array.isArray(reported)) return new Map();
  const tags = Object.entries(reported).filter(
    (tag): tag is [string, string] =>
      hasLengthWithin(tag[0], WORKSPACE_LENGTHS.tagKey) && hasLengthWithin(tag[1], WORKSPACE_LENGTHS.tagValue),
  );
  return new Map(tags.slice(0, MAX_TAGS));
}

function hasLengthWithin(value: unknown, max: number): boolean {
  return typeof value === 'string' && value !== '' && value.length <= max;
}

const INSTANT = z.iso.datetime({ offset: true });
const FIRST = Date.parse('0001-01-01T00:00:00Z');
const LAST = Date.parse('9999-12-31T23:59:59.999Z');

/** Postgres keeps six digits of a second. */
const LONGEST_INSTANT = '2026-01-31T06:12:00.000000Z'.length;

/** An instant in a form that Postgres accepts. Null for anything else, and for years on which calendars do not agree. */
function instantOf(value: unknown): string | null {
  const parsed = INSTANT.safeParse(value);
  if (!parsed.success) return null;
  const ms = Date.parse(parsed.data);
  if (!(ms >= FIRST && ms <= LAST)) return null;
  const isPlain = parsed.data.endsWith('Z') && parsed.data.length <= LONGEST_INSTANT;
  return isPlain ? parsed.data : new Date(ms).toISOString();
}

/** Whether parsed JSON nests at most this deep. Recursive functions walk it, which must not overflow the stack. */
function isJsonWithin(value: unknown, depth: number): value is Json {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isJsonWithin(inner, depth - 1));
}
