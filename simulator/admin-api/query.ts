import { ApiError } from './api-error.ts';

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;
const MAX_GROUP_BY = 5;

/** Throws ApiError for a parameter that the endpoint does not know, or that is repeated and is not a list (`name[]`). */
export function checkParameters(parameters: URLSearchParams, known: ReadonlySet<string>): void {
  const seen = new Set<string>();
  for (const name of parameters.keys()) {
    if (!known.has(name)) throw new ApiError(400, `${name}: Extra inputs are not permitted`, 'unknown_parameter');
    if (seen.has(name) && !name.endsWith('[]')) throw new ApiError(400, `${name}: Input should be given once`);
    seen.add(name);
  }
}

/** The parameters of a request. Methods throw ApiError for a value that the Admin API refuses. */
export class Query {
  readonly #values = new Map<string, string[]>();

  constructor(parameters: URLSearchParams, known: ReadonlySet<string>) {
    checkParameters(parameters, known);
    for (const name of parameters.keys()) this.#values.set(name, parameters.getAll(name));
  }

  one(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  choice<T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const value = this.one(name);
    if (value === undefined) return fallback;
    const choice = choices.find((known) => known === value);
    if (choice === undefined) {
      throw new ApiError(400, `${name}: Input should be ${choices.map((item) => `'${item}'`).join(' or ')}`);
    }
    return choice;
  }

  flag(name: string): boolean {
    return this.choice(name, ['true', 'false'], 'false') === 'true';
  }

  limit(fallback: number, max: number): number {
    const value = this.one('limit');
    if (value === undefined) return fallback;
    if (!/^-?\d+$/.test(value)) throw new ApiError(400, 'limit: Input should be a valid integer', 'limit');
    const limit = Number(value);
    if (limit < 1) throw new ApiError(400, 'limit: Input should be greater than or equal to 1', 'limit');
    if (limit > max) throw new ApiError(400, `limit: Input should be less than or equal to ${max}`, 'limit');
    return limit;
  }

  /** An RFC 3339 time, in milliseconds since the epoch. */
  instant(name: string): number | undefined {
    const value = this.one(name);
    if (value === undefined) return undefined;
    const ms = RFC_3339.test(value) ? Date.parse(value) : Number.NaN;
    if (Number.isNaN(ms)) throw new ApiError(400, `${name}: Input should be a valid RFC 3339 datetime`);
    return ms;
  }

  groupBy<T extends string>(choices: readonly T[]): ReadonlySet<T> {
    const values = this.all('group_by[]');
    if (values.length > MAX_GROUP_BY) {
      throw new ApiError(400, `Cannot specify more than ${MAX_GROUP_BY} group_by[] dimensions.`, 'group_by');
    }
    return new Set(
      values.map((value) => {
        const choice = choices.find((known) => known === value);
        if (choice === undefined) {
          throw new ApiError(400, `group_by[]: Input should be ${choices.map((item) => `'${item}'`).join(', ')}`);
        }
        return choice;
      }),
    );
  }

  /** The query as one text, without `page`. The order of the parameters does not matter. */
  identity(): string {
    const pairs = [...this.#values].filter(([name]) => name !== 'page');
    return JSON.stringify(pairs.map(([name, values]) => [name, [...values].sort()]).sort());
  }
}
