import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, ask, type Reply } from '../../client/client.ts';
import { useLoad } from '../../client/use-load.ts';
import { documentOf, finishedOf, type Draft } from './draft.ts';

/** What a draft would change. */
export type Preview = Reply<'/v1/allocation/preview', 'post'>;

/** What the API says about a draft, at the rule or the pool that it names. */
export interface Remark {
  /** The key of the rule or the pool; null where it is about the whole document. */
  readonly key: string | null;
  readonly message: string;
  readonly isFault: boolean;
}

/** The preview of a draft as it is typed. */
export interface Previewed {
  /** The last one without a fault; null before there is any. */
  readonly preview: Preview | null;
  readonly remarks: readonly Remark[];
  readonly error: Error | null;
  /** Whether `preview` is that of an earlier draft. */
  readonly isOld: boolean;
}

/** A person types faster than the preview of a large month is there. */
const PAUSE_MS = 350;

interface Asked {
  readonly text: string;
  readonly draft: Draft;
}

type Answer = { readonly of: Draft } & (
  | { readonly preview: Preview; readonly faults: null }
  | { readonly preview: null; readonly faults: readonly { readonly path: string; readonly message: string }[] }
);

/**
 * Asks for the preview of a draft once nobody typed for a moment. `version` is that of the rules in force, with which it
 * compares.
 */
export function usePreview(month: string, draft: Draft, version: number | null): Previewed {
  const finished = finishedOf(draft);
  const text = JSON.stringify({ month, ...documentOf(finished) });
  const asked = useSettled({ text, draft: finished });
  const keyOf = (body: string): string => `${version ?? 'none'} ${body}`;
  const loaded = useLoad(keyOf(asked.text), (signal) => askPreview(asked, signal));
  const last = useRef<Preview | null>(null);
  const { data } = loaded;
  if (data !== null && data.preview !== null) last.current = data.preview;
  return {
    preview: last.current,
    remarks: data === null ? [] : remarksOf(data),
    error: loaded.error,
    isOld: loaded.of !== keyOf(text) || data?.preview === null,
  };
}

function useSettled(now: Asked): Asked {
  const [settled, setSettled] = useState(now);
  useEffect(() => {
    if (now.text === settled.text) return;
    const timer = setTimeout(() => {
      setSettled(now);
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [now.text]);
  return settled;
}

async function askPreview({ text, draft }: Asked, signal: AbortSignal): Promise<Answer> {
  const body: unknown = JSON.parse(text);
  try {
    const preview = await ask('post', '/v1/allocation/preview', { body, signal });
    return { of: draft, preview, faults: null };
  } catch (error) {
    const faults = faultsOf(error);
    if (faults === null) throw error;
    return { of: draft, preview: null, faults };
  }
}

/** What is wrong with a document, if that is why a request failed. */
function faultsOf(error: unknown): readonly { readonly path: string; readonly message: string }[] | null {
  if (!(error instanceof ApiError)) return null;
  const { code, errors = [] } = error.problem;
  return code === 'invalid_allocation' && errors.length > 0 ? errors : null;
}

function remarksOf({ of, preview, faults }: Answer): Remark[] {
  const said = preview === null ? faults : preview.warnings;
  return said.map(({ path, message }) => ({
    key: keyAt(path, of),
    message: sentenceOf(message),
    isFault: preview === null,
  }));
}

/** The key of the rule or the pool in a path such as `body.rules.3.to`. */
function keyAt(path: string, draft: Draft): string | null {
  const [, part, place] = /^(?:body\.)?(rules|pools)\.(\d+)/.exec(path) ?? [];
  if (part === undefined) return null;
  return (part === 'rules' ? draft.rules : draft.pools)[Number(place)]?.key ?? null;
}

/** The message stands at its rule, so it need not name it. */
function sentenceOf(message: string): string {
  const own = message.replace(/^the (?:rule|pool) (?:".*?"|with an unusable name): /, '');
  return `${own.slice(0, 1).toUpperCase()}${own.slice(1)}.`;
}
