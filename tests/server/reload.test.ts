import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { clientOf } from '../helpers/client.ts'
import { startInProcess } from '../helpers/in-process.ts'
import { putPackage } from '../helpers/packages.ts'
import { TRUSTED_BOT } from '../helpers/place.ts'

void t.test('x', async (t) => {
  const running = await startInProcess(t, { reload: { pollMs: 0 } })
  const client = await clientOf(t, running.url)
  const path = putPackage(running.place.root)
  await client.sign({ path })
  for (let i = 0; i < 5; i++) {
  const t0 = performance.now()
  running.place.configure({ reload: { pollMs: 0 }, clients: i%2 ? [] : [TRUSTED_BOT] })
  console.log(await running.server.reload('SIGHUP'), performance.now() - t0, running.logs.at(-1))
  console.log((await client.ask('/whoami')).text)
  }
  console.log((await (await clientOf(t, running.adminUrl)).ask('/metrics')).text.split('\n').filter(l=>/reload/.test(l)))
  t.ok(1)
})
