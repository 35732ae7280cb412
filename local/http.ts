import { z } from 'zod';

const ANSWER_WITHIN_MS = 60_000;
const problemDocument = z.object({ detail: z.string(), action: z.string().optional() });

/** A server answered with another status than 2xx. The message quotes the problem document, if the answer is one. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  readonly body: unknown;

  constructor(request: string, status: number, body: unknown) {
    const { success, data } = problemDocument.safeParse(body);
    const text = success ? `: ${data.detail} ${data.action ?? ''}`.trimEnd() : '';
    super(`${request} was answered with ${status}${text}`);
    this.status = status;
    this.body = body;
  }
}

/**
 * A JSON client for one server. Methods check each answer against a schema. They throw HttpError, or Error for an answer
 * of another shape or one that takes longer than a minute.
 */
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

  put<T extends z.ZodType>(path: string, body: unknown, schema: T): Promise<z.output<T>> {
    return this.#ask('PUT', path, body, schema);
  }

  patch<T extends z.ZodType>(path: string, body: unknown, schema: T): Promise<z.output<T>> {
    return this.#ask('PATCH', path, body, schema);
  }

  async #ask<T extends z.ZodType>(method: string, path: string, body: unknown, schema: T): Promise<z.output<T>> {
    const response = await fetch(new URL(path, this.#base), {
      method,
      headers: {
        ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const json = parse(await response.text());
    const request = `${method} ${path.split('?')[0] ?? path}`;
    if (!response.ok) throw new HttpError(request, response.status, json);
    const checked = schema.safeParse(json);
    if (!checked.success) throw new Error(`${request}: an unexpected answer. ${z.prettifyError(checked.error)}`);
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
