import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { writePackage } from '../../../formats/index.ts'
import { clientOf, problemIn } from '../../helpers/client.ts'
import { startInProcess } from '../../helpers/in-process.ts'
import { packageSource } from '../../helpers/packages.ts'

const PACKAGE = writePackage(packageSource('PkgA'))

function slowly(pieces: number, pauseMs: number): Readable {
  const size = Math.ceil(PACKAGE.length / pieces)
  return Readable.from((async function* () {
    for (let start = 0; start < PACKAGE.length; start += size) {
      yield PACKAGE.subarray(start, start + size)
      await delay(pauseMs)
    }
  })(), { objectMode: false })
}

void test('an upload that goes on may take longer than limits.requestMs, one that pauses for so long may not', async (t) => {
  const { url } = await startInProcess(t, { limits: { requestMs: 900 } })
  const client = await clientOf(t, url, 'release-bot', { connections: 1, pipelining: 1 })
  for (const path of ['/sign', '/verify']) {
    const started = performance.now()
    const answer = await client.upload({ filename: 'PkgA.bff' }, slowly(8, 350), { path })
    t.equal(answer.status, 200)
    t.ok(performance.now() - started > 2_500, 'it took longer than the limit and the interval of the look')
  }
  const stalled = await client.upload({ filename: 'PkgA.bff' }, slowly(2, 5_000))
  t.match(problemIn(stalled), { status: 408, code: 'REQUEST_TIMEOUT' })
  t.equal(stalled.headers['connection'], 'close')
  t.equal((await client.ask('/whoami')).status, 200)
})
