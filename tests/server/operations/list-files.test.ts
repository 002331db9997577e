import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type * as ListFiles from '../../../server/operations/list-files.ts'
import { listFiles } from '../../../server/operations/list-files.ts'
import { openRoots } from '../../../server/roots/open-roots.ts'
import type { Root } from '../../../server/roots/resolve.ts'
import { clientNamed, identityNamed } from '../../helpers/app.ts'

const caller = { identity: identityNamed('bot'), client: clientNamed('bot'), policy: [clientNamed('bot')] }
const { signal } = new AbortController()
const depsFor = (roots: readonly Root[]) => ({ roots, maxEntries: 10, store: { signedAmong: async () => new Set<string>() } as never })

void t.test('a file that cannot be read is listed all the same', async (t) => {
  const folder = t.testdir({ a: 'text' })
  const fault = Object.assign(new Error('i/o error'), { code: 'EIO' })
  const mocked = await t.mockImport<typeof ListFiles>('../../../server/operations/list-files.ts', { '../../../server/packages/sniff.ts': { sniff: async () => await Promise.reject(fault) } })
  t.match(await mocked.listFiles(depsFor(await openRoots([{ name: 'nim', path: folder }])), caller, { path: folder }, signal), { files: [{ name: 'a', format: null, signed: false }] })
})

void t.test('a mistake of the program is not taken for a file that cannot be read', async (t) => {
  const folder = t.testdir({})
  const [root] = (await openRoots([{ name: 'nim', path: folder }])) as [Root]
  let looks = 0
  let most = Infinity
  const counting: Root = {
    ...root,
    get realPath(): string {
      looks += 1
      if (looks > most) throw new TypeError('a mistake')
      return root.realPath
    },
  }
  await listFiles(depsFor([counting]), caller, { path: folder }, signal)
  // As often as for the directory alone, so that the mistake comes with its first file.
  most = looks
  looks = 0
  writeFileSync(join(folder, 'a'), 'text')
  await t.rejects(listFiles(depsFor([counting]), caller, { path: folder }, signal), { name: 'TypeError', message: 'a mistake' })
})

void t.test('a listing is not gone on with when its client has gone', async (t) => {
  const folder = t.testdir(Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`file${index}`, 'text'])))
  const deps = depsFor(await openRoots([{ name: 'nim', path: folder }]))
  for (const path of [folder, undefined]) {
    await t.rejects(listFiles(deps, caller, path === undefined ? {} : { path }, AbortSignal.abort(new Error('gone'))), { message: 'gone' })
  }
})
