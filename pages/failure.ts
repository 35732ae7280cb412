/** A page that is not what a report should be. The message may be shown: it quotes nothing of the page but field names. */
export class PageError extends Error {
  override readonly name = 'PageError';
}

/** The reply ended in the middle, or is something else than JSON. */
export function notJson(): PageError {
  return new PageError('the reply is cut short or is not JSON');
}

/** The thread that reads pages ended in the middle of a reading. A new reading begins anew, in a new thread. */
export class ThreadLostError extends Error {
  override readonly name = 'ThreadLostError';
}
