import { z } from 'zod';
import type { GroupKey } from './groups.ts';

/** A row of a report: its key, and the names that belong to ids in it. */
export interface GroupRow {
  readonly key: GroupKey;
  /** Null if the rows are not grouped by workspace, or the workspace has no known name. */
  readonly workspaceName: string | null;
  readonly connectionName: string | null;
}

/** The fields of {@link GroupRow} as Postgres answers them. */
export const groupRowFields = {
  key: z.array(z.string().nullable()),
  workspaceName: z.string().nullable(),
  connectionName: z.string().nullable(),
};
