import type { Door } from '../activities/door.ts';

/** Stands where messages leave, in a worker that has no way to send any. */
export const noDoor: Door = {
  tell: () => Promise.resolve({ state: 'failed', reason: 'This worker has no way to send messages.' }),
};
