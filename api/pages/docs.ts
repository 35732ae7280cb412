import { Router, type RequestHandler } from 'express';
import helmet from 'helmet';
import swaggerUi from 'swagger-ui-express';
import { FAILURE_CODES, FAILURES, type FailureCode } from '../../domain/failures.ts';
import { escaped } from './html.ts';
import { notFound, onlyMethods } from '../http/problems.ts';

const PAGE_FILES = new Set([
  '/',
  '/swagger-ui.css',
  '/swagger-ui-bundle.js',
  '/swagger-ui-standalone-preset.js',
  '/swagger-ui-init.js',
  '/favicon-16x16.png',
  '/favicon-32x32.png',
]);

const pageSecurity = helmet.contentSecurityPolicy({
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    // Swagger UI has style elements of its own.
    styleSrc: ["'self'", "'unsafe-inline'"],
    imgSrc: ["'self'", 'data:'],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
});

// The problems come after the routes. A link to one problem moves the problems to the top of the page, and this problem
// to their top: below the routes it would move away while their script draws them.
const STYLE = `
body { display: flex; flex-direction: column; }
.swagger-ui .topbar { display: none; }
.swagger-ui .info { margin: 20px 0 0; }
.swagger-ui .info .title { font-size: 28px; }
.swagger-ui .info hgroup.main { margin: 0; }
.swagger-ui .info p { margin: 6px 0; }
.swagger-ui .scheme-container { margin: 0; padding: 10px 0; background: none; box-shadow: none; }
.swagger-ui .scheme-container .schemes { align-items: center; }
.swagger-ui .servers-title, .swagger-ui .servers { display: none; }
#problems { display: flex; flex-direction: column; max-width: 1460px; margin: 0 auto; padding: 20px; width: 100%; font: 14px/1.5 sans-serif; color: #3b4151; }
#problems:target, #problems:has(:target) { order: -1; }
#problems header { order: -1; }
#problems article { padding: 8px 12px; border-left: 4px solid transparent; }
#problems article:target { order: -2; border-color: #1f5fbf; background: #eef4fd; }
#problems h3, #problems p { margin: 0; }
`;

/** /openapi.json, and /docs, a page to read it and try it. No part of the page comes from another host. */
export function docsRoutes(document: object): Router {
  const router = Router({ strict: true });
  // As bytes, which all replies share: text would be encoded for each reply.
  const json = Buffer.from(JSON.stringify(document, null, 2));
  router.get('/openapi.json', (_request, response) => {
    response.type('json').send(json);
  });
  router.get('/docs', (_request, response) => {
    response.redirect(308, 'docs/');
  });
  router.all(['/openapi.json', '/docs'], onlyMethods(['get']));
  const options = {
    customSiteTitle: 'Meterline API',
    customCss: STYLE,
    swaggerUrl: '/openapi.json',
    // By default the page asks a validator on another host.
    swaggerOptions: {
      validatorUrl: null,
      persistAuthorization: false,
      displayRequestDuration: true,
      defaultModelsExpandDepth: 0,
    },
  };
  const page = Buffer.from(swaggerUi.generateHTML(undefined, options).replace('</body>', () => `${problems()}</body>`));
  const sendPage: RequestHandler = (_request, response) => {
    response.type('html').send(page);
  };
  router.use('/docs', pageSecurity, onlyPageFiles, swaggerUi.serveFiles(undefined, options), sendPage);
  return router;
}

/** Hides the other files of the package. One of them is a page that loads an example from another host. */
const onlyPageFiles: RequestHandler = (request, response, next) => {
  if (!PAGE_FILES.has(request.path)) notFound(request, response, next);
  else if (request.method === 'GET' || request.method === 'HEAD') next();
  else onlyMethods(['get'])(request, response, next);
};

/** What each problem means. The `type` of a problem document links here. */
function problems(): string {
  return `<section id="problems"><header><h2>Problems</h2>
<p>Every error is a problem document (RFC 9457) with one of these codes as its <code>code</code>. A connection shows its last failure in the same way.</p></header>
${FAILURE_CODES.map(problem).join('\n')}
</section>`;
}

function problem(code: FailureCode): string {
  const { status, message, action } = FAILURES[code];
  return `<article id="${code}"><h3><code>${code}</code> · ${status}</h3><p>${escaped(message)} ${escaped(action)}</p></article>`;
}
