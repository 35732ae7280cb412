import type { Session } from '../client/session.ts';

/** Tokens, sessions and the record of what happened. */
export function Settings({ session }: { session: Session }) {
  return <h1>{`Settings ${session.role}`}</h1>;
}
