import { z } from 'zod';
import { schema as subschema, type Schema } from './routes.ts';

/** Whether the document allows a text as the value of a parameter. */
export function allowsText(schema: Schema, text: string): boolean {
  if (schema.type === 'boolean') return text === 'true' || text === 'false';
  if (schema.type === 'integer') return /^-?[0-9]+$/.test(text) && allowsJson(schema, Number(text));
  // A parameter that may be repeated: one text is one of its values.
  const items = arrayOf.safeParse(schema).data?.items;
  return items === undefined ? allowsJson(schema, text) : allowsJson(items, text);
}

/** Whether the document allows a value of JSON. It knows the keywords that the document has, and throws at any other. */
export function allowsJson(schema: Schema, value: unknown): boolean {
  if (schema.type === 'array') return allowsArray(listed.parse(schema), value);
  if (schema.type === 'object') return allowsObject(fielded.parse(schema), value);
  const rules = keywords.parse(schema);
  if (rules.enum !== undefined && !rules.enum.some((one) => one === value)) return false;
  switch (rules.type) {
    case 'string':
      return typeof value === 'string' && allowsString(rules, value);
    case 'integer':
      return (
        Number.isInteger(value) && Number(value) >= (rules.minimum ?? 0) && Number(value) <= (rules.maximum ?? Infinity)
      );
    case 'boolean':
      return typeof value === 'boolean';
  }
}

/**
 * Whether the document and the API can be compared by this text: halves of surrogate pairs are no text, and a number is
 * spelled in one way only by whoever makes its text of a number.
 */
export function hasOneReading(text: string): boolean {
  return !/\p{Cs}/u.test(text) && !/^-?0[0-9]|^-0/.test(text);
}

const arrayOf = z.strictObject({
  type: z.literal('array'),
  description: z.string().min(10),
  items: z.looseObject({ type: z.literal('string') }),
});

const listed = z.strictObject({
  type: z.literal('array'),
  description: z.string().min(10).optional(),
  examples: z.array(z.unknown()).optional(),
  minItems: z.int().default(0),
  maxItems: z.int(),
  items: subschema,
});

const fielded = z.strictObject({
  type: z.literal('object'),
  description: z.string().min(10).optional(),
  examples: z.array(z.unknown()).optional(),
  properties: z.record(z.string(), subschema),
  additionalProperties: z.literal(false),
});

function allowsArray({ items, minItems, maxItems }: z.output<typeof listed>, value: unknown): boolean {
  if (!Array.isArray(value) || value.length < minItems || value.length > maxItems) return false;
  return value.every((item) => allowsJson(items, item));
}

function allowsObject({ properties }: z.output<typeof fielded>, value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(([name, field]) => {
    const own = Object.hasOwn(properties, name) ? properties[name] : undefined;
    return own !== undefined && allowsJson(own, field);
  });
}

const keywords = z.strictObject({
  type: z.enum(['string', 'integer', 'boolean']),
  description: z.string().min(10).optional(),
  enum: z.array(z.string()).optional(),
  default: z.unknown().optional(),
  examples: z.array(z.unknown()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  pattern: z.string().optional(),
  format: z.enum(['date', 'date-time', 'uuid', 'password']).optional(),
  writeOnly: z.boolean().optional(),
});

function allowsString(
  { minLength = 0, maxLength = Infinity, ...rules }: z.output<typeof keywords>,
  text: string,
): boolean {
  const length = Array.from(text).length;
  if (length < minLength || length > maxLength) return false;
  if (rules.pattern !== undefined && !new RegExp(rules.pattern, 'u').test(text)) return false;
  return rules.format === 'date' || rules.format === 'date-time' ? isReal(text.slice(0, 10)) : true;
}

function isReal(day: string): boolean {
  const ms = Date.parse(`${day}T00:00:00Z`);
  return Number.isFinite(ms) && new Date(ms).toISOString().startsWith(day);
}
