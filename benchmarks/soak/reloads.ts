import { readFile, rename, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parse, stringify } from 'yaml'
import type { BenchServer } from '../harness/server.ts'

/** How often an operator changed the configuration and sent SIGHUP, and how often the server says that it took something up. */
export type Reloads = Readonly<{ asked: number; done: number }>

const PAUSE_MS = 2_000

/**
 * Changes the configuration again and again while the server works: a client comes, and goes. Only for a server that takes its configuration
 * up at SIGHUP: another one ends at it.
 */
export async function reloadUntil(server: BenchServer, { file, until, pauseMs = PAUSE_MS }: Readonly<{ file: string; until: number; pauseMs?: number }>): Promise<Reloads> {
  const original = await readFile(file, 'utf8')
  const inTurn = [original, withVisitor(original)] as const
  let asked = 0
  for (await delay(pauseMs); performance.now() < until; await delay(pauseMs)) {
    asked += 1
    await putInPlace(file, inTurn[asked % 2] as string)
    process.kill(server.pid, 'SIGHUP')
  }
  return { asked, done: reloadsIn(server.log()) }
}

/** Returns a configuration with one more client, who may do nothing that matters. */
export function withVisitor(configuration: string): string {
  const { clients, ...others } = parse(configuration) as Readonly<{ clients: readonly object[] }>
  return stringify({ ...others, clients: [...clients, { ...clients[0], name: 'visitor', match: { san: 'URI:urn:example:visitor' }, allow: ['whoami'] }] }, { aliasDuplicateObjects: false })
}

/** Returns how many reloads a server's log says were done. */
export function reloadsIn(log: string): number {
  return log.split('\n').filter((line) => line.includes('"msg":"reloaded"')).length
}

/** Whole, as an operator should: whoever reads it meanwhile reads one or the other. */
async function putInPlace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
}
