import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { keepCompiled, shareCompiled } from '../../server/compile-cache.ts'

void t.test('a checkout keeps what it compiled beside its dependencies; what was built keeps nothing', async (t) => {
  const before = process.env['NODE_COMPILE_CACHE']
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_COMPILE_CACHE']
    else process.env['NODE_COMPILE_CACHE'] = before
  })
  delete process.env['NODE_COMPILE_CACHE']
  const folder = t.testdir({ server: {} })
  keepCompiled(pathToFileURL(join(folder, 'server', 'main.js')).href)
  t.equal(process.env['NODE_COMPILE_CACHE'], undefined)
  keepCompiled(pathToFileURL(join(folder, 'server', 'main.ts')).href)
  t.equal(process.env['NODE_COMPILE_CACHE'], join(folder, 'node_modules', '.cache', 'signing-server'))
})

void t.test('what is compiled by then is written down', async (t) => {
  t.doesNotThrow(shareCompiled)
})
