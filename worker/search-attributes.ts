import type { Logger } from 'pino';
import { searchAttributes } from '../workflows/search-attributes.ts';

/** `INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API. */
const KEYWORD = 2;
const ANSWER_WITHIN_MS = 5_000;
const UNKNOWN = 'unknown';
const NAMES = Object.values(searchAttributes).map(({ name }) => name);

/** Meterline's search attributes on a Temporal server, which may lose or refuse any of them at any time. */
export interface SearchAttributeRegistry {
  /** Registers those that the server lacks, if it lets us. Logs once what stays missing. Never fails. */
  readonly register: () => Promise<void>;
  /**
   * Those that the server has at this moment; none if it does not say. Ask before every upsert: an upsert of a missing
   * attribute fails the workflow task until somebody registers it.
   */
  readonly registered: () => Promise<readonly string[]>;
}

/** The part of a connection to Temporal that search attributes need. */
interface TemporalConnection {
  readonly operatorService: {
    listSearchAttributes(request: {
      namespace: string;
    }): Promise<{ customAttributes: Readonly<Record<string, unknown>> }>;
    addSearchAttributes(request: {
      namespace: string;
      searchAttributes: Record<string, typeof KEYWORD>;
    }): Promise<unknown>;
  };
  withDeadline<T>(deadline: number, ask: () => Promise<T>): Promise<T>;
}

/** The registry of a namespace. It asks nothing yet. */
export function searchAttributeRegistry(
  connection: TemporalConnection,
  namespace: string,
  log: Logger,
): SearchAttributeRegistry {
  const { operatorService } = connection;
  const inTime = <T>(ask: () => Promise<T>): Promise<T> => connection.withDeadline(Date.now() + ANSWER_WITHIN_MS, ask);
  const list = async (): Promise<readonly string[]> => {
    const { customAttributes } = await inTime(() => operatorService.listSearchAttributes({ namespace }));
    // Somebody may have registered the name with another type, which takes no text.
    return NAMES.filter((name) => Object.hasOwn(customAttributes, name) && customAttributes[name] === KEYWORD);
  };
  const add = async (missing: readonly string[]): Promise<void> => {
    try {
      const wanted = Object.fromEntries(missing.map((name) => [name, KEYWORD] as const));
      await inTime(() => operatorService.addSearchAttributes({ namespace, searchAttributes: wanted }));
    } catch (error) {
      // Another worker was faster, or the server does not let us. Listing them again will tell.
      log.debug({ error: messageOf(error) }, 'search attributes were not added');
    }
  };
  let reported = '';
  const report = (missing: readonly string[]): void => {
    if (missing.join() === reported) return;
    reported = missing.join();
    if (missing.length === 0) log.info('all search attributes are registered');
    else log.warn({ missing }, 'search attributes are missing; register them as Keyword to use them');
  };
  const reportUnknown = (error: unknown): void => {
    if (reported === UNKNOWN) return;
    reported = UNKNOWN;
    log.warn({ error: messageOf(error) }, 'search attributes cannot be listed; none are used');
  };
  let asked: Promise<readonly string[]> | null = null;
  return {
    async register() {
      try {
        const before = missingFrom(await list());
        if (before.length > 0) await add(before);
        report(before.length > 0 ? missingFrom(await list()) : before);
      } catch (error) {
        reportUnknown(error);
      }
    },
    registered() {
      // Callers of the same moment share one answer. No answer is used for longer.
      asked ??= list()
        .catch((error: unknown) => {
          reportUnknown(error);
          return [];
        })
        .finally(() => {
          asked = null;
        });
      return asked;
    },
  };
}

function missingFrom(registered: readonly string[]): readonly string[] {
  return NAMES.filter((name) => !registered.includes(name));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
