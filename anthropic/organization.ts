import { z } from 'zod';
import { invalidReply } from './failure.ts';
import { parseJson } from './rows.ts';
import type { AnthropicReader } from './transport.ts';

const organizationReply = z.looseObject({ id: z.string().min(1), name: z.string() });

/** The organization that a key belongs to. */
export interface Organization {
  readonly id: string;
  readonly name: string;
}

/** Reads the organization of the reader's key: the cheapest probe of a key. Throws AnthropicError. */
export function readOrganization(reader: AnthropicReader): Promise<Organization> {
  return reader.get('/v1/organizations/me', [], (body) => {
    const parsed = organizationReply.safeParse(parseJson(body.toString()));
    if (!parsed.success) throw invalidReply('the organization has no id or no name');
    return { id: parsed.data.id, name: parsed.data.name };
  });
}
