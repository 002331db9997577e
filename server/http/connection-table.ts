import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { networkOf } from './network-of.ts'

/** Where a connection comes from. */
export type Peer = Readonly<{ address: string | undefined; port: number | undefined }>

/** The connections of one port, from their first packet on: also those that TLS has not accepted yet, or never will. */
export type ConnectionTable = Readonly<{
  open(): number
  /** Takes a connection in. Returns how many from the same address have not finished their handshake, this one among them. */
  add(socket: Socket): number
  /** From now on the connection is one that TLS has accepted. */
  accept(socket: Socket): void
  /** Where a connection comes, or came, from: a refused one is closed before it is reported. */
  peerOf(socket: Socket): Peer
  /** Counts an answer as running until it is closed. */
  begin(response: ServerResponse): void
  /** Whether part of an answer is on its way, so that nothing else may be written. */
  isAnswering(socket: Socket): boolean
  /** Closes every connection on which no request runs. */
  closeIdle(): void
  closeAll(): void
}>

type Connection = Readonly<{ peer: Peer; network: string; responses: Set<ServerResponse> }>

export function createConnectionTable(): ConnectionTable {
  const open = new Set<Socket>()
  const known = new WeakMap<Socket, Connection>()
  const strangers = new Map<string, Set<Socket>>()
  const find = (socket: Socket): Connection => known.get(tcpOf(socket)) ?? connectionOf(socket)
  return {
    open: () => open.size,
    add: (socket) => {
      const connection = connectionOf(socket)
      const { network } = connection
      const alike = strangers.get(network) ?? new Set()
      open.add(socket)
      known.set(socket, connection)
      strangers.set(network, alike.add(socket))
      socket.once('close', () => {
        open.delete(socket)
        forget(strangers, network, socket)
      })
      return alike.size
    },
    accept: (socket) => forget(strangers, find(socket).network, tcpOf(socket)),
    peerOf: (socket) => find(socket).peer,
    begin: (response) => {
      const { responses } = find(response.req.socket)
      responses.add(response)
      response.once('close', () => responses.delete(response))
    },
    isAnswering: (socket) => [...find(socket).responses].some(({ headersSent }) => headersSent),
    closeIdle: () => {
      for (const socket of open) if (find(socket).responses.size === 0) socket.destroy()
    },
    closeAll: () => {
      for (const socket of open) socket.destroy()
    },
  }
}

function forget(strangers: Map<string, Set<Socket>>, network: string, socket: Socket): void {
  const alike = strangers.get(network)
  alike?.delete(socket)
  if (alike?.size === 0) strangers.delete(network)
}

/** Returns the TCP connection below a TLS connection, or the connection itself. Node shows it nowhere else; without it a line of the log would lack an address. */
export function tcpOf(socket: Socket & Readonly<{ _parent?: Socket | null }>): Socket {
  return socket._parent ?? socket
}

function connectionOf({ remoteAddress, remotePort }: Socket): Connection {
  return { peer: { address: remoteAddress, port: remotePort }, network: networkOf(remoteAddress), responses: new Set() }
}
