import { startPeer } from '../harness/peer.ts'
import type { Place } from '../harness/place.ts'

/** What the bare server is asked to be: with these certificates, answering every GET with these bytes. */
export type BareTask = Readonly<{ tls: Place['tls']; body: string; headers: Readonly<Record<string, string>> }>

const MODULE = new URL('bare-https-process.ts', import.meta.url)

/**
 * Starts node:https alone, with the same mutual TLS 1.3: a GET is answered with `body`, a POST is received to its end, dropped, and
 * answered with the number of its bytes. Resolves with its port.
 */
export async function startBareHttps(task: BareTask, opened: AsyncDisposableStack): Promise<number> {
  const peer = startPeer(MODULE)
  opened.defer(peer.close)
  return (await peer.ask(task)) as number
}
