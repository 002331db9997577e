import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { openapiYaml } from '../http/openapi.ts'

/** `GET /openapi.yaml` and `GET /docs`: the document and Swagger UI, for every listed client. They are not part of the document. */
export function documentRoutes(app: FastifyInstance): void {
  app.get('/openapi.yaml', { schema: { hide: true }, config: { listed: true } }, async (_request, reply) => {
    return await reply.type('application/yaml').send(openapiYaml(app))
  })
  app.register(async (page) => {
    page.addHook('onRoute', (route) => {
      route.config = { ...route.config, listed: true }
    })
    await page.register(swaggerUi, { routePrefix: '/docs', staticCSP: true, uiConfig: { docExpansion: 'list', tryItOutEnabled: true, layout: 'BaseLayout' }, theme: { title: 'Signing server' } })
  })
}
