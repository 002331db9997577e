import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'

/** What came back on one connection until it was closed, or until `enough` of it arrived. */
export type Heard = Readonly<{ text: string; closed: boolean }>

/** How to talk: TLS options, what is sent when TLS stands for the client, what again and again after it, where from, and when to stop listening. */
export type Talk = ConnectionOptions & Readonly<{ port: number; localAddress?: string; say?: string; again?: Readonly<{ text: string; everyMs: number }>; enough?: (text: string) => boolean; limitMs?: number }>

/** Connects with TLS, says something in its very bytes, and resolves with what came back. Whatever TLS does to the connection is an answer too. */
export async function talk({ say = '', again, enough = () => false, limitMs = 5_000, ...options }: Talk): Promise<Heard> {
  let text = ''
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket: TLSSocket = connect({ host: '127.0.0.1', servername: 'localhost', ...options }, () => void socket.write(say, 'latin1'))
  socket.on('error', () => undefined).on('close', () => resolve(true)).on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1')
    if (enough(text)) resolve(false)
  })
  const repeating = again === undefined ? undefined : setInterval(() => void socket.write(again.text, 'latin1'), again.everyMs)
  const late = setTimeout(() => resolve(false), limitMs)
  const closed = await promise
  clearTimeout(late)
  clearInterval(repeating)
  socket.destroy()
  return { text, closed }
}

/** The statuses of the answers in a text. */
export function statusesIn(text: string): readonly number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
}

/** An address of the loopback of its own for each test case, so that each is the first of its kind in the log. */
export function addresses(network: number): () => string {
  let last = 0
  return () => {
    last += 1
    return `127.0.${network}.${last}`
  }
}
