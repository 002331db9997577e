import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** Where a connection comes from. */
export type Peer = Readonly<{ address: string | undefined; port: number | undefined }>

/** The connections of one port, from their first packet on: also those that TLS has not accepted yet, or never will. */
export type ConnectionTable = Readonly<{
  open(): number
  add(socket: Socket): void
  /** Where a connection comes, or came, from: a refused one is closed before it is reported. */
  peerOf(socket: Socket): Peer
  /** TLS stands. Returns whether the connection may stay, which it was asked while the handshake ran, where {@link judge} was called then. */
  secured(socket: TLSSocket): boolean
  /** Counts an answer as running until it is closed. Returns whether it may begin: not on a connection that is to end. */
  begin(response: ServerResponse): boolean
  /** Ends every connection that does not stand any more, one with running requests after them; returns how many. */
  judge(stands: (socket: TLSSocket) => boolean): number
  /** Whether part of an answer is on its way, so that nothing else may be written. */
  isAnswering(socket: Socket): boolean
  /** Closes every connection on which no request runs. */
  closeIdle(): void
  closeAll(): void
}>

type Connection = { readonly peer: Peer; readonly responses: Set<ServerResponse>; tls?: TLSSocket; early?: (socket: TLSSocket) => boolean; ending?: true }

export function createConnectionTable(): ConnectionTable {
  const open = new Set<Socket>()
  const known = new WeakMap<Socket, Connection>()
  const find = (socket: Socket): Connection => known.get(below(socket)) ?? { peer: readPeer(socket), responses: new Set() }
  return {
    open: () => open.size,
    add: (socket) => {
      open.add(socket)
      known.set(socket, { peer: readPeer(socket), responses: new Set() })
      socket.once('close', () => open.delete(socket))
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
    secured: (socket) => {
      const connection = find(socket)
      connection.tls = socket
      return connection.early?.(socket) ?? true
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

/** The TCP connection below a TLS connection. Node shows it nowhere else; without it a line of the log would lack an address. */
function below(socket: Socket & Readonly<{ _parent?: Socket | null }>): Socket {
  return socket._parent ?? socket
}

function readPeer({ remoteAddress, remotePort }: Socket): Peer {
  return { address: remoteAddress, port: remotePort }
}
