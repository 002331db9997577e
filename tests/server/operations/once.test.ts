import { hash, randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse as Response } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { writePackage } from '../../../formats/index.ts'
import { buildApp, type AppDeps } from '../../../server/app.ts'
import { SigningError } from '../../../server/errors.ts'
import type { Problem } from '../../../server/schemas/problem.ts'
import type { Store } from '../../../server/store/store.ts'
import { clientNamed, makeApp, type TestApp } from '../../helpers/app.ts'
import { count } from '../../helpers/full-size.ts'
import { packageSource, putPackage, putPackages } from '../../helpers/packages.ts'
import { eventually } from '../../helpers/processes.ts'
import { KEEP_MS, openTestStore } from '../../helpers/store.ts'

const NDJSON = 'application/x-ndjson'
const policy = ['bot', 'other'].map((name) => clientNamed(name, { digestOnly: true, resign: true }))

/** What is asked; an upload has bytes. */
type Ask = Readonly<{ json: object } | { upload: Uint8Array; query?: Readonly<Record<string, string>> }>
type Keyed = Readonly<{ key?: string; accept?: string }>

async function ask(app: FastifyInstance, what: Ask, { key, accept = 'application/json' }: Keyed = {}): Promise<Response> {
  const headers = { accept, ...(key === undefined ? {} : { 'idempotency-key': key }) }
  const options: InjectOptions = 'json' in what
    ? { payload: JSON.stringify(what.json), headers: { ...headers, 'content-type': 'application/json' } }
    : { payload: Buffer.from(what.upload), query: { filename: 'sent.bff', ...what.query }, headers: { ...headers, 'content-type': 'application/octet-stream' } }
  return await app.inject({ method: 'POST', url: '/sign', ...options })
}

/** An app on a store that the test may close, open again, or change on the way. */
async function makeOnce(test: Test, change: (store: Store) => Partial<Store> = () => ({}), more: Partial<AppDeps> = {}): Promise<TestApp & Readonly<{ reopened: () => Promise<FastifyInstance> }>> {
  const made = await makeApp(test, ({ store }) => ({ policy, store: bound(store, change(store)), ...more }))
  return {
    ...made,
    reopened: async () => {
      await made.app.close()
      await made.deps.store.close()
      const store = await openTestStore(join(made.folder, 'signing.db'))
      const app = await buildApp({ ...made.deps, store })
      test.teardown(async () => {
        await app.close()
        await store.close()
      })
      return app
    },
  }
}

/** The store with some of its methods changed. */
function bound(store: Store, changes: Partial<Store>): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const own = (changes as Record<string | symbol, unknown>)[name]
      const value: unknown = own ?? Reflect.get(target, name, target)
      return typeof value === 'function' ? (value as () => unknown).bind(own === undefined ? target : changes) : value
    },
  })
}

const problemOf = (response: Response): Problem => response.json<Problem>()
const idOf = ({ headers }: Response): string => String(headers['request-id'])
const isRepeated = ({ headers }: Response): boolean => headers['idempotent-replayed'] === 'true'
const item = (content: string, changes: object = {}) => ({ digest: { sha256: hash('sha256', content) }, sizeBytes: 1, filename: `${content}.bff`, ...changes })

void t.test('the same key and request give the same answer again, marked, under a request id of its own, in the form that is asked for', async (t) => {
  const { app, root, lines, files, reopened } = await makeOnce(t)
  putPackages(root, 3)
  writeFileSync(join(root, 'note.txt'), 'no package')
  writeFileSync(join(root, 'broken.bff'), writePackage(packageSource()).subarray(0, 300))
  const json = { path: root }
  const first = await ask(app, { json }, { key: 'one' })
  t.equal(first.statusCode, 200)
  t.notOk(isRepeated(first))
  const linesBefore = lines.length
  const again = await ask(app, { json: { recursive: false, ...json } }, { key: '"one"' })
  t.ok(isRepeated(again))
  t.equal(again.body, first.body)
  t.not(idOf(again), idOf(first))
  t.equal(problemOf(again).instance, undefined)
  t.equal(again.json<{ failures: Record<string, Problem> }>().failures['broken.bff']?.instance, `urn:uuid:${idOf(first)}`)
  t.match(lines.slice(linesBefore), [{ msg: 'request done', repeated: true }], 'what was signed then is not logged again')
  t.equal(files.length, 5, 'nor counted')

  const streamed = await ask(app, { json }, { key: 'one', accept: NDJSON })
  t.ok(isRepeated(streamed))
  t.match(streamed.body.trimEnd().split('\n').map((line) => JSON.parse(line) as object), [{ event: 'listing', files: again.json<{ files: string[] }>().files }, ...Array.from({ length: 5 }, () => ({ name: String })), { event: 'end', signed: 3, failed: 1, skipped: 1 }])

  const later = await reopened()
  t.equal((await ask(later, { json }, { key: 'one' })).body, first.body, 'also after a restart')
  t.equal((await ask(later, { json }, { key: 'one', accept: NDJSON })).body, streamed.body)
})

void t.test('without the header, with another key, and for another client a request is a new one', async (t) => {
  const { app, root, become } = await makeOnce(t)
  const what = { json: { path: putPackage(root), force: true } }
  const idsOf = async (keyed: Keyed = {}) => Object.values((await ask(app, what, keyed)).json<{ signatures: Record<string, { id: string }> }>().signatures)[0]?.id
  const ids = [await idsOf(), await idsOf(), await idsOf({ key: 'one' }), await idsOf({ key: 'two' })]
  become('other')
  ids.push(await idsOf({ key: 'one' }))
  t.equal(new Set(ids).size, 5)
  t.equal(await idsOf({ key: 'one' }), ids[4])
})
