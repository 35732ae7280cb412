export interface RequestEntry {
  at: string;
  method: string;
  path: string;
  query: string;
  status: number;
  fault: string | null;
  /** The last four characters of the key. */
  key: string | null;
}

export interface RequestReport {
  total: number;
  bytes_sent: number;
  by_path: Record<string, { requests: number; bytes_sent: number }>;
  by_status: Record<string, number>;
  last: RequestEntry[];
}

const MAX_ENTRIES = 1_000;

/** Counts the requests to the Admin API. It leaves out those to the control surface. */
export class Requests {
  #byPath = new Map<string, { requests: number; bytes_sent: number }>();
  #byStatus = new Map<number, number>();
  #last: RequestEntry[] = [];

  add(entry: RequestEntry, bytesSent: number): void {
    const counts = this.#byPath.get(entry.path) ?? { requests: 0, bytes_sent: 0 };
    counts.requests += 1;
    counts.bytes_sent += bytesSent;
    this.#byPath.set(entry.path, counts);
    this.#byStatus.set(entry.status, (this.#byStatus.get(entry.status) ?? 0) + 1);
    this.#last.push(entry);
    if (this.#last.length > MAX_ENTRIES) this.#last.shift();
  }

  report(): RequestReport {
    const counts = [...this.#byPath.values()];
    return {
      total: counts.reduce((sum, { requests }) => sum + requests, 0),
      bytes_sent: counts.reduce((sum, { bytes_sent: bytes }) => sum + bytes, 0),
      by_path: Object.fromEntries([...this.#byPath].map(([path, count]) => [path, { ...count }])),
      by_status: Object.fromEntries(this.#byStatus),
      last: [...this.#last],
    };
  }

  reset(): void {
    this.#byPath = new Map();
    this.#byStatus = new Map();
    this.#last = [];
  }
}
