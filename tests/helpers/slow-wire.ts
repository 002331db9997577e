import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

/** A TCP connection that a test can cut or silence, between a client and a port of the loopback. */
export type Wire = Readonly<{
  port: number
  /** From now on nothing passes and nobody is told, as when a cable is pulled. New connections pass. */
  silence(): void
  /** Resets every connection. */
  cut(): void
}>

/** Starts a wire from an address of the loopback to a port; it ends with the test. */
export async function startWire(t: Test, to: number, address = '127.0.0.1'): Promise<Wire> {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.pipe(far)
    far.pipe(near)
  }).listen(0, address)
  await once(server, 'listening')
  const cut = (): void => sockets.forEach((socket) => void socket.destroy())
  t.teardown(() => {
    cut()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, cut, silence: () => sockets.forEach((socket) => void socket.unpipe().pause()) }
}
