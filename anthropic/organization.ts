import { z } from 'zod';
import { parseValue } from '../pages/json.ts';
import { invalidReply } from './failure.ts';
import type { AnthropicReader } from './transport.ts';

// Without a name, the id serves as one: a missing name must not hold up the reading of costs.
const organizationReply = z.looseObject({ id: z.string().min(1), name: z.string().min(1).nullish().catch(null) });

/** The organization that a key belongs to. */
export interface Organization {
  readonly id: string;
  readonly name: string;
}

/** Reads the organization of the reader's key. This is also the cheapest probe of a key. Throws AnthropicError. */
export function readOrganization(reader: AnthropicReader): Promise<Organization> {
  return reader.get('/v1/organizations/me', [], (body) => {
    const parsed = organizationReply.safeParse(parseValue(body.toString()));
    if (!parsed.success) throw invalidReply('the organization has no id');
    const { id, name } = parsed.data;
    return { id, name: name ?? id };
  });
}
