import type { ComponentChildren } from 'preact';
import { ApiError, UnreachableError } from '../client/client.ts';
import { remedyOf } from './standing.ts';

/** How much somebody should care. */
export type Tone = 'plain' | 'good' | 'warn' | 'bad';

/** A few sentences with a mark before them, and what can be done about them below. */
export function Note(props: { tone?: Tone; title: string; children?: ComponentChildren; role?: 'alert' | 'status' }) {
  const { tone = 'plain', title, children, role } = props;
  return (
    <div class={`note ${tone}`} {...(role === undefined ? {} : { role })}>
      <i class="dot" aria-hidden="true" />
      <strong>{title}</strong>
      {children}
    </div>
  );
}

/** A short word with a colour. */
export function Badge({ tone = 'plain', children }: { tone?: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

/** What went wrong with a request, what to do, and where in the request. */
export function Failure({ error, title, retry }: { error: Error; title?: string; retry?: () => void }) {
  const { head, detail, action, faults } = wordsOf(error);
  return (
    <Note tone="bad" title={title ?? head} role="alert">
      {title !== undefined && <p>{head}</p>}
      {detail !== null && detail !== head && <p>{detail}</p>}
      {action !== null && <p>{action}</p>}
      {faults.length > 0 && (
        <ul>
          {faults.map((fault) => (
            <li key={fault}>{fault}</li>
          ))}
        </ul>
      )}
      {retry !== undefined && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </Note>
  );
}

function wordsOf(error: Error): { head: string; detail: string | null; action: string | null; faults: string[] } {
  if (error instanceof ApiError) {
    const { title, detail, action, code, errors } = error.problem;
    return {
      head: title,
      detail,
      // What is wrong, and where, says what to do.
      action: errors === undefined ? remedyOf({ code, action }) : null,
      faults: (errors ?? []).map(({ path, message }) => `${nameOf(path)} ${message}`),
    };
  }
  if (error instanceof UnreachableError) {
    return {
      head: error.message,
      detail: 'The API may be stopped, or the network between here and it may be down.',
      action: 'This page asks again by itself. If it lasts, look at the API’s log on the server.',
      faults: [],
    };
  }
  return { head: 'This page failed.', detail: error.message, action: 'Load the page again.', faults: [] };
}

function nameOf(path: string): string {
  return path.split('.').slice(1).join('.');
}

/** What is allowed about something, and hardly meant. */
export function Warnings({ of: { warnings } }: { of: { readonly warnings: readonly { readonly message: string }[] } }) {
  return (
    <>
      {warnings.map(({ message }) => (
        <p key={message} class="warning">{`Look again: ${message}.`}</p>
      ))}
    </>
  );
}

/** Stands where a reply will be. */
export function Loading({ what }: { what: string }) {
  return (
    <p class="muted" role="status">
      {`Loading ${what} …`}
    </p>
  );
}
