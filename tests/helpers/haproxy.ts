import { connect } from 'node:net'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { freePort, isProgram, startDaemon, type Daemon } from './daemon.ts'
import type { TestServer } from './server.ts'

const PROGRAM = '/usr/sbin/haproxy'
const EXAMPLE = fileURLToPath(new URL('../../examples/haproxy/haproxy.cfg', import.meta.url))
const READY_MS = 15_000

/** Why a test behind HAProxy cannot run here, or false; for the `skip` of a test. */
export const NO_HAPROXY: string | false = isProgram(PROGRAM) ? false : 'skipped: haproxy is not installed'

/** HAProxy before three replicas. */
export type Balancer = Readonly<{
  /** `https://localhost:PORT` of what stands before the replicas. */
  url: string
  daemon: Daemon
  /** Resolves when exactly so many replicas are up, as HAProxy's own check finds them. */
  up(count: number): Promise<void>
}>

/** Starts HAProxy on examples/haproxy/haproxy.cfg, with these three replicas; it ends with the test, whatever happens. */
export async function startHaproxy(t: Test, replicas: readonly Pick<TestServer, 'port' | 'adminUrl'>[]): Promise<Balancer> {
  const folder = mkdtempSync(join(tmpdir(), 'signing-server-haproxy-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const port = await freePort()
  const socket = join(folder, 'stats.sock')
  const text = replicas.reduce((config, { port: service, adminUrl }, index) => replaced(config, `127.0.0.1:610${index + 1} port 620${index + 1}`, `127.0.0.1:${service} port ${new URL(adminUrl).port}`),
    replaced(replaced(readFileSync(EXAMPLE, 'utf8'), 'bind 127.0.0.1:6000', `bind 127.0.0.1:${port}`), 'maxconn 4000', `maxconn 4000\n    stats socket ${socket}`))
  writeFileSync(join(folder, 'haproxy.cfg'), text)
  const daemon = startDaemon(t, [PROGRAM, '-db', '-f', join(folder, 'haproxy.cfg')], { folder, quit: 'SIGTERM' })
  const up: Balancer['up'] = async (count) => {
    for (const from = performance.now(); (await serversUp(socket).catch(() => -1)) !== count; await delay(50)) {
      if (performance.now() - from > READY_MS || daemon.process.exitCode !== null) throw new Error(`haproxy does not see ${count} replicas up:\n${daemon.printed()}`)
    }
  }
  await up(replicas.length)
  return { url: `https://localhost:${port}`, daemon, up }
}

function replaced(config: string, from: string, to: string): string {
  if (!config.includes(from)) throw new Error(`examples/haproxy/haproxy.cfg does not say ${from}`)
  return config.replace(from, to)
}

/**
 * `show servers state` has a line for each server: operational state in field 5 (2: running), result of the last check in field 11
 * (3: passed). Until its first check HAProxy takes every server for running.
 * @see https://docs.haproxy.org/2.6/management.html#9.3-show%20servers%20state
 */
async function serversUp(path: string): Promise<number> {
  const socket = connect(path)
  socket.end('show servers state replicas\n')
  let text = ''
  socket.setEncoding('utf8').on('data', (part: string) => (text += part))
  await once(socket, 'close')
  return text.split('\n').slice(2).map((line) => line.split(' ')).filter((fields) => fields[5] === '2' && fields[11] === '3').length
}
