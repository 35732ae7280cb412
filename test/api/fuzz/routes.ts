import { z } from 'zod';

export const schema = z.looseObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  format: z.string().optional(),
  enum: z.array(z.string()).optional(),
  default: z.unknown().optional(),
  examples: z.array(z.unknown()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  items: z.unknown().optional(),
  minItems: z.number().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  additionalProperties: z.unknown().optional(),
  dependentRequired: z.record(z.string(), z.array(z.string())).optional(),
  propertyNames: z.object({ pattern: z.string() }).optional(),
  maxProperties: z.number().optional(),
});
/** What a document says of one value. */
export type Schema = z.output<typeof schema>;

const document = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        parameters: z.array(z.object({ name: z.string(), in: z.string(), schema })).default([]),
        requestBody: z.object({ content: z.record(z.string(), z.object({ schema })) }).optional(),
      }),
    ),
  ),
  components: z.object({ schemas: z.record(z.string(), schema) }),
});

/** A route, as the OpenAPI document describes it. */
export interface Route {
  readonly method: string;
  /** With `{id}` where an id belongs. */
  readonly path: string;
  readonly query: Readonly<Record<string, Schema>>;
  /** The fields of its body; null where it takes none. */
  readonly body: Readonly<Record<string, Schema>> | null;
  /** The fields that its body must have. */
  readonly required: readonly string[];
  /** The fields that its body must have where it has another. */
  readonly dependentRequired: Readonly<Record<string, readonly string[]>>;
  /** Whether its body may have no other fields. */
  readonly isClosed: boolean;
}

/** Every route of an OpenAPI document: what is new in it is thrown at without anybody thinking of it. */
export function routesOf(json: unknown): Route[] {
  const { paths, components } = document.parse(json);
  const resolved = (given: Schema): Schema =>
    given.$ref === undefined ? given : (components.schemas[given.$ref.replace('#/components/schemas/', '')] ?? given);
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters, requestBody }]) => {
      const body = requestBody?.content['application/json']?.schema;
      const whole: Schema = body === undefined ? {} : resolved(body);
      const fields = body === undefined ? null : Object.entries(whole.properties ?? {});
      return {
        method: method.toUpperCase(),
        path,
        query: Object.fromEntries(parameters.filter((one) => one.in === 'query').map((one) => [one.name, one.schema])),
        body: fields === null ? null : Object.fromEntries(fields.map(([name, one]) => [name, schema.parse(one)])),
        required: whole.required ?? [],
        dependentRequired: whole.dependentRequired ?? {},
        isClosed: whole.additionalProperties === false,
      };
    }),
  );
}
