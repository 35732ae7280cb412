/** How long a link can be used, in minutes. */
export const LINK_MINUTES = 5;
/** A session ends after this many hours without a request. */
export const SESSION_IDLE_HOURS = 12;
/** A session ends after this many days, however often it is used. */
export const SESSION_DAYS = 7;
/** So many sessions may begin with one token, or with links; another one ends the oldest of them. */
export const SESSIONS_AT_ONCE = 50;

/** The address that a link token opens in a browser. A fragment stays in the browser: no server and no proxy logs it. */
export function linkTo(publicUrl: string, linkToken: string): string {
  return `${publicUrl}/#/enter/${linkToken}`;
}
