import { z } from 'zod';
import type { StoredQuery } from '../../domain/spend/stored-query.ts';
import { jsonOf } from '../core/columns.ts';

/** A spend query, as stored. `readStoredQuery` tells what it means today. */
export const storedQueryJson: z.ZodType<StoredQuery> = z.record(z.string(), z.union([z.string(), z.array(z.string())]));

/** A {@link storedQueryJson}. */
export const storedQueryColumn = jsonOf(storedQueryJson);
