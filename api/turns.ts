import type { RequestHandler } from 'express';
import { BOOTSTRAP } from '../domain/tokens.ts';
import { callerOf } from './auth.ts';

/** The requests of one token that take turns. */
interface Line {
  underWay: number;
  readonly waiting: (() => void)[];
}

/**
 * Lets so many requests of one token be worked on at once, and the others wait for their turn. For reports, which take
 * a moment of Postgres and of this process each: a token that asks for many at once waits for its own, and nobody else.
 * A turn is over when the reply is made, not when its client has taken it.
 */
export function takeTurns(limit: number): RequestHandler {
  const lines = new Map<string, Line>();
  return (request, response, next) => {
    const token = callerOf(request)?.id ?? BOOTSTRAP;
    const line = lines.get(token) ?? { underWay: 0, waiting: [] };
    lines.set(token, line);
    const begin = (): void => {
      let isOver = false;
      const end = (): void => {
        if (isOver) return;
        isOver = true;
        line.underWay -= 1;
        line.waiting.shift()?.();
        if (line.underWay === 0) lines.delete(token);
      };
      line.underWay += 1;
      response.once('prefinish', end).once('close', end);
      // Its client went away while it waited.
      if (response.closed) end();
      else next();
    };
    if (line.underWay < limit) begin();
    else line.waiting.push(begin);
  };
}
