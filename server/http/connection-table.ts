import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { networkOf } from './network-of.ts'

/** Where a connection comes from. */
export type Peer = Readonly<{ address: string | undefined; port: number | undefined }>

/** The connections of one port, from their first packet on: also those that TLS has not accepted yet, or never will. */
export type ConnectionTable = Readonly<{
  open(): number
  /** Takes a connection in. Returns how many from the same address have not finished their handshake, this one among them. */
  add(socket: Socket): number
  /** From now on the connection is one that TLS has accepted. Returns whether it may stay, where {@link judge} was called while its handshake ran. */
  accept(socket: TLSSocket): boolean
  /** Where a connection comes, or came, from: a refused one is closed before it is reported. */
  peerOf(socket: Socket): Peer
  /** Counts an answer as running until it is closed. Returns whether it may begin: not on a connection that is to end. */
  begin(response: ServerResponse): boolean
  /** Ends every connection that does not stand any more, one with running requests after them; returns how many. */
  judge(stands: (socket: TLSSocket) => boolean): number
  /** How many requests of a connection have no answer yet, or not all of it. */
  running(socket: Socket): number
  /** Whether part of an answer is on its way, so that nothing else may be written. */
  isAnswering(socket: Socket): boolean
  /** Closes every connection on which no request runs. */
  closeIdle(): void
  closeAll(): void
}>

type Connection = { readonly peer: Peer; readonly network: string; readonly responses: Set<ServerResponse>; tls?: TLSSocket; early?: (socket: TLSSocket) => boolean; ending?: true }

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
    accept: (socket) => {
      const connection = find(socket)
      forget(strangers, connection.network, tcpOf(socket))
      connection.tls = socket
      return connection.early?.(socket) ?? true
    },
    peerOf: (socket) => find(socket).peer,
    begin: (response) => {
      const connection = find(response.req.socket)
      if (connection.ending === true) return false
      connection.responses.add(response)
      response.once('close', () => {
        connection.responses.delete(response)
        if (connection.ending === true && connection.responses.size === 0) connection.tls?.destroySoon()
      })
      return true
    },
    judge: (stands) => {
      const ending = [...open].map(find).filter((connection) => {
        // A handshake under way may still go by what was in force when it began.
        if (connection.tls === undefined) connection.early = stands
        return connection.tls !== undefined && connection.ending !== true && !stands(connection.tls)
      })
      for (const connection of ending) end(connection)
      return ending.length
    },
    running: (socket) => find(socket).responses.size,
    isAnswering: (socket) => [...find(socket).responses].some(({ headersSent }) => headersSent),
    closeIdle: () => {
      for (const socket of open) if (find(socket).responses.size === 0) socket.destroy()
    },
    closeAll: () => {
      for (const socket of open) socket.destroy()
    },
  }
}

function end(connection: Connection): void {
  connection.ending = true
  if (connection.responses.size === 0) connection.tls?.destroy()
  for (const response of connection.responses) if (!response.headersSent) response.setHeader('connection', 'close')
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
