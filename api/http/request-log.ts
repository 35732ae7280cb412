import type { Request, RequestHandler, Response } from 'express';
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { pinoHttp } from 'pino-http';
import { addressOf } from './address.ts';
import { callerOf } from './auth.ts';

/**
 * Gives each request an id, which the reply carries too, and logs a line once it is answered. The line has no header, no
 * query and no body, and only those parts of the path that cannot be a secret.
 */
export function logRequests(log: Logger): RequestHandler {
  const logged = pinoHttp<Request, Response>({
    logger: log,
    // Never the caller's own id: the log would contain text of the caller's choice.
    genReqId: (_request, response) => {
      const id = randomUUID();
      response.setHeader('X-Request-Id', id);
      return id;
    },
    quietReqLogger: true,
    quietResLogger: true,
    serializers: { req: () => undefined, res: () => undefined, err: () => undefined },
    autoLogging: { ignore: ({ path }) => path === '/healthz' || path === '/readyz' },
    customLogLevel: (_request, response) => (response.statusCode >= 500 ? 'error' : 'info'),
    customSuccessMessage: () => 'request',
    customErrorMessage: () => 'request',
    customSuccessObject: (request, response, extra: unknown) => lineOf(request, response, extra),
    customErrorObject: (request, response, _error, extra: unknown) => lineOf(request, response, extra),
  });
  return (request, response, next) => {
    logged(request, response, next);
  };
}

function lineOf(request: Request, response: Response, extra: unknown): object {
  const ms = typeof extra === 'object' && extra !== null && 'responseTime' in extra ? extra.responseTime : undefined;
  return {
    method: request.method,
    path: loggablePath(request.originalUrl),
    status: response.statusCode,
    ms,
    token: callerOf(request)?.name,
    address: addressOf(request),
  };
}

const LOGGABLE_SEGMENT = /^(?:[a-z][a-z.-]{0,19}|v1|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?$/;

function loggablePath(url: string): string {
  const [path = ''] = url.split('?');
  return path
    .split('/')
    .slice(0, 8)
    .map((segment) => (LOGGABLE_SEGMENT.test(segment) ? segment : '…'))
    .join('/');
}
