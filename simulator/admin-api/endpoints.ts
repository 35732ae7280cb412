import type { Organization } from '../organization/organization.ts';
import type { Workspace } from '../organization/series.ts';
import { ApiError } from './api-error.ts';
import { Query, checkParameters } from './query.ts';
import { costReport, usageReport, type ReportContext, type ReportPage } from './reports.ts';

export type Endpoint = 'organization' | 'workspaces' | 'cost' | 'usage';

export type Answer =
  { readonly kind: 'text'; readonly text: string } | { readonly kind: 'page'; readonly page: ReportPage };

/** The paths of the Admin API that the simulator has. Each answers GET only. */
export const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map([
  ['/v1/organizations/me', 'organization'],
  ['/v1/organizations/workspaces', 'workspaces'],
  ['/v1/organizations/cost_report', 'cost'],
  ['/v1/organizations/usage_report/messages', 'usage'],
]);

const VERSIONS = new Set(['2023-01-01', '2023-06-01', '2026-10-21']);
const NO_PARAMETERS: ReadonlySet<string> = new Set();
const WORKSPACE_PARAMETERS = new Set(['limit', 'after_id', 'before_id', 'include_archived', 'include_default']);

/** Throws ApiError for a missing or unknown `anthropic-version`. */
export function checkVersion(version: string | string[] | undefined): void {
  if (version === undefined) throw new ApiError(400, 'anthropic-version: header is required');
  if (typeof version !== 'string' || !VERSIONS.has(version)) {
    throw new ApiError(400, `anthropic-version: ${JSON.stringify(version)} is not a valid version`);
  }
}

/** The answer to an authenticated request. Throws ApiError. */
export function answer(endpoint: Endpoint, parameters: URLSearchParams, context: ReportContext): Answer {
  const { organization } = context.ledger;
  if (organization.individual) throw new ApiError(404, 'Not Found');
  switch (endpoint) {
    case 'organization':
      checkParameters(parameters, NO_PARAMETERS);
      return json({ id: organization.id, type: 'organization', name: organization.name });
    case 'workspaces':
      return json(listWorkspaces(parameters, organization));
    case 'cost':
      return { kind: 'page', page: costReport(parameters, context) };
    case 'usage':
      return { kind: 'page', page: usageReport(parameters, context) };
  }
}

interface WorkspaceList {
  data: Record<string, unknown>[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

function listWorkspaces(parameters: URLSearchParams, organization: Organization): WorkspaceList {
  const query = new Query(parameters, WORKSPACE_PARAMETERS);
  const limit = query.limit(20, 1_000);
  const includeArchived = query.flag('include_archived');
  const includeDefault = query.flag('include_default');
  const listed = organization.directory
    .list()
    .filter(({ archivedAt, isDefault }) => (includeArchived || archivedAt === null) && (includeDefault || !isDefault));
  const afterId = query.one('after_id');
  const beforeId = query.one('before_id');
  if (afterId !== undefined && beforeId !== undefined) {
    throw new ApiError(400, 'Only one of after_id and before_id may be given');
  }
  const end = beforeId === undefined ? listed.length : indexOf(listed, 'before_id', beforeId);
  const start = afterId === undefined ? 0 : indexOf(listed, 'after_id', afterId) + 1;
  const page =
    beforeId === undefined ? listed.slice(start, start + limit) : listed.slice(Math.max(0, end - limit), end);
  return {
    data: page.map((workspace) => workspaceObject(workspace)),
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
    has_more: beforeId === undefined ? start + limit < listed.length : end > limit,
  };
}

function indexOf(listed: readonly Workspace[], parameter: string, id: string): number {
  const index = listed.findIndex((workspace) => workspace.id === id);
  if (index < 0) throw new ApiError(400, `${parameter}: No such workspace`);
  return index;
}

function workspaceObject(workspace: Workspace): Record<string, unknown> {
  const hasTags = Object.keys(workspace.tags).length > 0;
  return {
    id: workspace.id,
    type: 'workspace',
    name: workspace.name,
    created_at: workspace.createdAt,
    archived_at: workspace.archivedAt,
    display_color: workspace.displayColor,
    data_residency: {
      allowed_inference_geos: hasTags ? ['global', 'us'] : 'unrestricted',
      default_inference_geo: 'global',
      workspace_geo: 'us',
    },
    // Only some workspaces have the newer fields.
    ...(hasTags
      ? {
          tags: workspace.tags,
          compartment_id: `cmpt_${workspace.id.slice(7)}`,
          external_key_id: null,
        }
      : {}),
    ...(workspace.isDefault ? { is_default: true } : {}),
  };
}

function json(value: unknown): Answer {
  return { kind: 'text', text: JSON.stringify(value) };
}
