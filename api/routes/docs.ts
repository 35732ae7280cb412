import { Router, type RequestHandler } from 'express';
import helmet from 'helmet';
import swaggerUi from 'swagger-ui-express';
import { notFound } from '../problems.ts';

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
    // The page has style elements of its own.
    styleSrc: ["'self'", "'unsafe-inline'"],
    imgSrc: ["'self'", 'data:'],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
});

/** /openapi.json, and /docs: a page to read it and to try it out, of which every part comes from here. */
export function docsRoutes(document: object): Router {
  const router = Router({ strict: true });
  // Bytes, of which every reply shares the same: text would be encoded for each of them.
  const json = Buffer.from(JSON.stringify(document, null, 2));
  router.get('/openapi.json', (_request, response) => {
    response.type('json').send(json);
  });
  router.get('/docs', (_request, response) => {
    response.redirect(308, 'docs/');
  });
  const options = {
    customSiteTitle: 'Meterline API',
    swaggerUrl: '/openapi.json',
    // Null, since by default the page asks a validator on another host.
    swaggerOptions: { validatorUrl: null, persistAuthorization: false, displayRequestDuration: true },
  };
  router.use(
    '/docs',
    pageSecurity,
    onlyPageFiles,
    swaggerUi.serveFiles(undefined, options),
    swaggerUi.setup(undefined, options),
  );
  return router;
}

/** The package has other files too, among them a page that loads an example from another host. */
const onlyPageFiles: RequestHandler = (request, response, next) => {
  if (PAGE_FILES.has(request.path)) next();
  else notFound(request, response, next);
};
