import type { ServerResponse } from 'node:http';

/** How long a client may read nothing. */
const STALLED_MS = 60_000;

/** What a reply says about its file before the file's first byte. */
export interface FileHead {
  /** What a browser calls the file. */
  readonly name: string;
  /** Its media type. */
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A reply that is a file, written bit by bit, as fast as its client reads. */
export class FileReply {
  readonly #response: ServerResponse;
  readonly #hasBody: boolean;

  constructor(response: ServerResponse) {
    this.#response = response;
    this.#hasBody = response.req.method !== 'HEAD';
  }

  /** Whether the client takes the file: not if it asked for the headers alone, nor once it is gone. */
  get isOpen(): boolean {
    return this.#hasBody && !this.#response.destroyed;
  }

  /** Begins the reply. What fails after its first bytes breaks the connection. */
  begin({ name, type, headers }: FileHead): void {
    this.#response.statusCode = 200;
    this.#response.setHeader('Content-Type', type);
    this.#response.setHeader('Content-Disposition', `attachment; filename="${name}"`);
    for (const [header, value] of Object.entries(headers)) this.#response.setHeader(header, value);
  }

  /** Writes bytes, and waits until the client has taken most of them. */
  async write(bytes: string | Uint8Array): Promise<void> {
    const response = this.#response;
    if (!this.isOpen || response.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const stalled = setTimeout(() => response.destroy(), STALLED_MS);
      const go = (): void => {
        clearTimeout(stalled);
        response.off('drain', go).off('close', go);
        resolve();
      };
      response.on('drain', go).on('close', go);
    });
  }

  end(): void {
    this.#response.end();
  }
}
