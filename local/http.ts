import { z } from 'zod';

/** An answer that is no success. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  readonly body: unknown;
  constructor(what: string, status: number, body: unknown) {
    const said = z.object({ detail: z.string(), action: z.string().optional() }).safeParse(body);
    const text = said.success ? `: ${said.data.detail} ${said.data.action ?? ''}`.trimEnd() : '';
    super(`${what} was answered with ${status}${text}`);
    this.status = status;
    this.body = body;
  }
}

/** A JSON client for one server: the shape of each answer is checked, and nothing waits for ever. */
export class JsonClient {
  readonly #base: string;
  readonly #token: string | null;

  constructor(base: string, token: string | null = null) {
    this.#base = base;
    this.#token = token;
  }

  get<T extends z.ZodType>(path: string, query: Record<string, string>, schema: T): Promise<z.output<T>> {
    const search = new URLSearchParams(query).toString();
    return this.#ask('GET', search === '' ? path : `${path}?${search}`, undefined, schema);
  }

  post<T extends z.ZodType>(path: string, body: unknown, schema: T): Promise<z.output<T>> {
    return this.#ask('POST', path, body, schema);
  }

  async #ask<T extends z.ZodType>(method: string, path: string, body: unknown, schema: T): Promise<z.output<T>> {
    const response = await fetch(new URL(path, this.#base), {
      method,
      headers: {
        ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(60_000),
    });
    const text = await response.text();
    const what = `${method} ${path.split('?')[0] ?? path}`;
    const json = parse(text);
    if (!response.ok) throw new HttpError(what, response.status, json);
    const checked = schema.safeParse(json);
    if (!checked.success) throw new Error(`${what}: an unexpected answer. ${z.prettifyError(checked.error)}`);
    return checked.data;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
