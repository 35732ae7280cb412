import { z } from 'zod';
import type { Json } from '../domain/lines.ts';
import { invalidReply } from './failure.ts';
import { parseJson } from './rows.ts';
import type { AnthropicReader } from './transport.ts';

const PAGE_SIZE = 1000;

const instant = z.iso.datetime({ offset: true }).nullish().catch(null);
const workspaceReply = z.looseObject({
  id: z.string().min(1),
  // A workspace without a name is shown by its id: names are not worth holding up money for.
  name: z.string().nullish().catch(null),
  created_at: instant,
  archived_at: instant,
});
const pageReply = z.looseObject({
  data: z.array(z.json()),
  last_id: z.string().nullish(),
  has_more: z.boolean(),
});

/** A workspace as listed; `reported` is the whole of it, unknown fields included. */
export interface Workspace {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string | null;
  readonly archivedAt: string | null;
  readonly reported: Json;
}

/**
 * Lists the workspaces page by page, archived ones too, since those still have costs. The default workspace is not
 * listed. Throws AnthropicError.
 */
export async function* listWorkspaces(reader: AnthropicReader): AsyncGenerator<Workspace[]> {
  const seen = new Set<string>();
  let after: string | null = null;
  do {
    const cursor: [string, string][] = after === null ? [] : [['after_id', after]];
    const query: [string, string][] = [['limit', String(PAGE_SIZE)], ['include_archived', 'true'], ...cursor];
    const page: WorkspacePage = await reader.get('/v1/organizations/workspaces', query, (body) =>
      toPage(parseJson(body.toString()), seen),
    );
    yield page.workspaces;
    after = page.after;
  } while (after !== null);
}

interface WorkspacePage {
  readonly workspaces: Workspace[];
  /** What the next page comes after; null on the last one. */
  readonly after: string | null;
}

function toPage(json: unknown, seen: Set<string>): WorkspacePage {
  const page = pageReply.safeParse(json);
  if (!page.success) throw invalidReply('the list of workspaces has not the documented form');
  const workspaces = page.data.data.map(toWorkspace);
  // `last_id` is set on the last page too: only `has_more` ends the list.
  if (!page.data.has_more) return { workspaces, after: null };
  const after = page.data.last_id ?? '';
  if (after === '' || seen.has(after))
    throw invalidReply('the list of workspaces says that there is more, and not where');
  seen.add(after);
  return { workspaces, after };
}

function toWorkspace(reported: Json): Workspace {
  const parsed = workspaceReply.safeParse(reported);
  if (!parsed.success) throw invalidReply('a workspace has no id');
  const { id, name, created_at, archived_at } = parsed.data;
  return { id, name: name ?? id, createdAt: created_at ?? null, archivedAt: archived_at ?? null, reported };
}
