import type { Logger } from 'pino';
import { searchAttributes } from '../workflows/search-attributes.ts';

/** `INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API. */
const KEYWORD = 2;
const ANSWER_WITHIN_MS = 5_000;
const UNKNOWN = 'unknown';
const NAMES = Object.values(searchAttributes).map(({ name }) => name);

/** The search attributes of this product on a Temporal server, which may lose or refuse any of them at any time. */
export interface SearchAttributeRegistry {
  /** Registers those that the server lacks, where it lets us. Says what stays missing, once. Never fails. */
  readonly register: () => Promise<void>;
  /**
   * Which ones the server has at this moment; none where it does not say. What goes into a history must be asked for
   * each time: an upsert of one that is not there fails the workflow task until somebody registers it.
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

/** The registry of a namespace. Nothing is asked yet. */
export function searchAttributeRegistry(
  connection: TemporalConnection,
  namespace: string,
  log: Logger,
): SearchAttributeRegistry {
  const { operatorService } = connection;
  const inTime = <T>(ask: () => Promise<T>): Promise<T> => connection.withDeadline(Date.now() + ANSWER_WITHIN_MS, ask);
  const list = async (): Promise<readonly string[]> => {
    const { customAttributes } = await inTime(() => operatorService.listSearchAttributes({ namespace }));
    // One of this name that somebody registered as a number takes no text, so it counts as missing.
    return NAMES.filter((name) => Object.hasOwn(customAttributes, name) && customAttributes[name] === KEYWORD);
  };
  const add = async (missing: readonly string[]): Promise<void> => {
    try {
      const wanted = Object.fromEntries(missing.map((name) => [name, KEYWORD] as const));
      await inTime(() => operatorService.addSearchAttributes({ namespace, searchAttributes: wanted }));
    } catch (error) {
      // Another worker was faster, or the server does not let us: both are told apart by asking which exist.
      log.debug({ error: messageOf(error) }, 'search attributes were not added');
    }
  };
  let said = '';
  const say = (missing: readonly string[]): void => {
    if (missing.join() === said) return;
    said = missing.join();
    if (missing.length === 0) log.info('all search attributes are registered');
    else log.warn({ missing }, 'search attributes are missing; register them as Keyword to have them');
  };
  const sayUnknown = (error: unknown): void => {
    if (said === UNKNOWN) return;
    said = UNKNOWN;
    log.warn({ error: messageOf(error) }, 'search attributes cannot be listed; none are used');
  };
  let asked: Promise<readonly string[]> | null = null;
  return {
    async register() {
      try {
        const before = missingFrom(await list());
        if (before.length > 0) await add(before);
        say(before.length > 0 ? missingFrom(await list()) : before);
      } catch (error) {
        sayUnknown(error);
      }
    },
    registered() {
      // Questions of the same moment share one answer. None is kept any longer.
      asked ??= list()
        .catch((error: unknown) => {
          sayUnknown(error);
          return [];
        })
        .finally(() => {
          asked = null;
        });
      return asked;
    },
  };
}

function missingFrom(there: readonly string[]): readonly string[] {
  return NAMES.filter((name) => !there.includes(name));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
