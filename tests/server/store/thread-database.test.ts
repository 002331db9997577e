import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { openThreadDatabase } from '../../../server/store/thread-database.ts'
import { createStore } from '../../../server/store/grouped-store.ts'
import type { Call, ThreadReply } from '../../../server/store/thread-protocol.ts'
import { KEEP_MS, recording, TEST_LOG } from '../../helpers/store.ts'

const MODULE = new URL('sample-database-thread.ts', import.meta.url)
const SAMPLE = { url: 'sample', identity: TEST_LOG, keepMs: KEEP_MS }
const ended = { code: 'STORE_FAILED', message: 'the thread of the store ended in the middle of its work' }
const soon = { code: 'STORE_FAILED', message: /is not started again so soon/ }

void t.test('calls are answered by the thread, several at once and each with its own', async (t) => {
  const database = await openThreadDatabase(SAMPLE, { module: MODULE })
  const slow = database.get('slow')
  t.match(await database.get('quick'), { client: 'quick' })
  t.match(await slow, { client: 'slow' })
  t.match(await database.findByDigest('args'), [{ client: '["args"]' }])
  t.strictSame(await database.signedAmong('nim', []), new Set(['nim']))
  await database.close()
})

void t.test('a search keeps nobody waiting who signs, however long it takes', async (t) => {
  const database = await openThreadDatabase(SAMPLE, { module: MODULE })
  let isOver = false
  const search = database.find('block' as never).finally(() => void (isOver = true))
  for (let turn = 0; turn < 5; turn += 1) t.match(await database.get('quick'), { client: 'quick' })
  t.notOk(isOver, 'the search still runs')
  await search
  await database.close()
})

void t.test('an error comes back with its code and its facts, and says whether one write is at fault', async (t) => {
  const database = await openThreadDatabase(SAMPLE, { module: MODULE })
  const faultOf = async (id: string) => await database.get(id).then(() => undefined, (error: unknown) => error)
  const [full, row, other] = [await faultOf('full'), await faultOf('row'), await faultOf('strange')]
  t.match(full, { code: 'STORAGE_FULL', message: 'no room' })
  t.match(row, { code: 'STORE_FAILED', message: 'the store failed', facts: { isWriteFault: true } })
  t.match(other, { code: 'STORE_FAILED', cause: /strange things/ })
  t.strictSame([full, row, other, new Error('row'), undefined].map((error) => database.isWriteFault(error)), [false, true, false, false, false])
  await database.close()
})

void t.test('a thread that cannot open says why', async (t) => {
  await t.rejects(openThreadDatabase({ ...SAMPLE, url: 'refuse' }, { module: MODULE }), { code: 'STORE_FAILED', message: 'somebody changed the database' })
  await t.rejects(openThreadDatabase({ ...SAMPLE, url: 'throw' }, { module: MODULE }), { ...ended, cause: /cannot even begin/ })
  await t.rejects(openThreadDatabase({ ...SAMPLE, url: 'exit' }, { module: MODULE }), { ...ended, cause: 'the thread ended by itself' })
})

void t.test('when the thread ends, what it had not answered fails, and after a second the next call has another', async (t) => {
  const database = await openThreadDatabase(SAMPLE, { module: MODULE })
  await setTimeout(1_050)
  const results = await Promise.allSettled([database.get('slow'), database.get('never'), database.get('die')])
  for (const result of results) t.match(result, { status: 'rejected', reason: ended })
  t.match(await database.get('quick'), { client: 'quick' }, 'the first thread ran for longer than a second')
  await t.rejects(database.get('die'), { ...ended, cause: /died/ })
  await t.rejects(database.get('quick'), soon)
  await t.rejects(database.probe(), soon)
  await setTimeout(1_050)
  t.match(await Promise.all([database.get('quick'), database.get('slow')]), [{ client: 'quick' }, { client: 'slow' }], 'calls of the same moment share the new one')
  await t.rejects(database.get('exit'), { ...ended, cause: 'the thread ended by itself' })
  await database.close()
  await database.close()
})

void t.test('closing waits for the database, and ends the thread with whatever still runs', async (t) => {
  const database = await openThreadDatabase(SAMPLE, { module: MODULE })
  const never = database.get('never')
  const rejected = t.rejects(never, ended)
  await database.close()
  await rejected
})

void t.test('a thread that cannot open when it is started again fails the calls that wait for it', async (t) => {
  const folder = t.testdir()
  const database = await openThreadDatabase({ ...SAMPLE, url: `once ${join(folder, 'opened')}` }, { module: MODULE })
  await setTimeout(1_050)
  await t.rejects(database.get('die'), ended)
  const results = await Promise.allSettled([database.get('quick'), database.get('quick')])
  for (const result of results) t.match(result, { reason: { code: 'STORE_FAILED', message: 'opened before' } })
})

/** Runs a script in a process of its own, which ends by itself or not. */
function run(script: string, path: string) {
  const imports = `
    import { openThreadDatabase } from ${JSON.stringify(new URL('../../../server/store/thread-database.ts', import.meta.url).href)}
    import { KEEP_MS, recording, TEST_LOG } from ${JSON.stringify(new URL('../../helpers/store.ts', import.meta.url).href)}
    const database = await openThreadDatabase({ url: 'sqlite:' + process.argv[1], identity: TEST_LOG, keepMs: KEEP_MS })`
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', `${imports}\n${script}`, path], { encoding: 'utf8', timeout: 60_000, stdio: ['ignore', 'pipe', 'inherit'] })
  return { stdout, status }
}

void t.test('an idle database keeps no process alive, a busy one does', async (t) => {
  const folder = t.testdir()
  t.strictSame(run('console.log(await database.get("x"))', join(folder, 'idle.db')), { stdout: 'undefined\n', status: 0 })
  t.strictSame(run('const { subject, signature } = recording(); void database.write([{ kind: "record", recording: { subject, signature } }]).then(([{ kind }]) => console.log(kind))', join(folder, 'busy.db')), { stdout: 'recorded\n', status: 0 })
})

void t.test('the module of the thread opens the database, answers each call or says what failed, and ends once it is closed', async (t) => {
  const module = new URL('../../../server/store/database-thread.ts', import.meta.url)
  const worker = new Worker(module, { workerData: { ...SAMPLE, url: `sqlite:${join(t.testdir(), 'signing.db')}` } })
  const replies: ThreadReply[] = []
  worker.on('message', (reply: ThreadReply) => void replies.push(reply))
  const exited = once(worker, 'exit')
  const { subject, signature } = recording()
  const calls: Call[] = [
    { id: 1, name: 'write', args: [[{ kind: 'record', recording: { subject, signature } }]] },
    { id: 2, name: 'write', args: [[{ kind: 'append', entry: {} }]] },
    { id: 3, name: 'signedAmong', args: [] },
    { id: 4, name: 'close', args: [] },
  ]
  // One after the other: `close` does not wait for the others.
  for (const call of calls) {
    while (replies.length < call.id) await once(worker, 'message')
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a browser's windows have origins, threads do not
    worker.postMessage(call)
  }
  t.strictSame(await exited, [0])
  t.match(replies, [
    { kind: 'open' },
    { kind: 'done', id: 1, value: [{ kind: 'recorded', receipt: { index: 0 } }] },
    { kind: 'failed', id: 2, isWriteFault: true, fault: { code: 'STORE_FAILED', message: 'the store failed' } },
    { kind: 'failed', id: 3, fault: { code: 'STORE_FAILED' } },
    { kind: 'done', id: 4 },
  ])
})

void t.test('the real thread has a real database: what is recorded is there when it is opened again, and a fault of one write spoils no other', async (t) => {
  const folder = t.testdir({ file: '' })
  const location = { ...SAMPLE, url: `sqlite:${join(folder, 'signing.db')}` }
  const store = createStore(await openThreadDatabase(location))
  const [first, second] = [recording(), recording()]
  const bad = recording({ relativePath: 'a\nb' })
  const results = await Promise.allSettled([first, bad, second].map(async ({ subject, signature }) => await store.record(subject, signature)))
  t.match(results, [{ value: { kind: 'recorded' } }, { reason: { code: 'STORE_FAILED', message: 'the store failed' } }, { value: { kind: 'recorded' } }])
  await store.close()
  const again = createStore(await openThreadDatabase(location))
  t.match(await again.get(second.signature.id), { signature: { id: second.signature.id } })
  t.match(await again.audit(), { intact: true })
  await again.close()
  await t.rejects(openThreadDatabase({ ...location, url: `sqlite:${join(folder, 'file', 'signing.db')}` }), { code: 'STORE_FAILED', message: /could not be opened/ })
})
